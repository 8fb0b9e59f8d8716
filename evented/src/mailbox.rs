//! Mailboxes: the part of a reactor that other threads may reach, and that is never freed.
//!
//! A waker is only a name, so what it leads to has to stay valid for ever. A process therefore has a
//! table of mailboxes; a reactor borrows one and gives it back, and the next reactor uses it again,
//! generations going on where they were. The memory is bounded by the largest number of reactors and
//! of tasks per reactor that were ever alive at the same time (4 bytes per task).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use crate::chunks::{self, CHUNKS};
use crate::driver::Unpark;
use crate::handle::Closed;
use crate::name::{MAX_REACTORS, Name};
use crate::record::Shared;
use crate::remote::{Inbox, Word};

/// A closure to run on the reactor's thread.
pub(crate) type Call = Box<dyn FnOnce() + Send>;

/// See the module's documentation.
pub(crate) struct Mailbox {
    /// Place in the table, the `reactor` field of names.
    index: u16,
    /// Wakes and calls.
    inbox: Inbox<Call>,
    /// One word per task slot; chunk `k` exists once a task has used it.
    words: [OnceLock<Box<[Word]>>; CHUNKS],
    /// Who takes things out; none while no reactor uses the mailbox.
    reader: Mutex<Option<Reader>>,
}

/// The reactor that uses a mailbox.
struct Reader {
    /// Its unique id.
    id: u64,
    /// The thread that built it, which it never leaves.
    thread: ThreadId,
    /// Interrupts its sleep.
    unparker: Arc<dyn Unpark>,
    /// What it records, if it does.
    record: Option<Arc<Shared>>,
}

/// Every mailbox ever made, by index.
static TABLE: [OnceLock<Mailbox>; MAX_REACTORS] = [const { OnceLock::new() }; MAX_REACTORS];
/// Which of them are in use.
static USE: Mutex<Use> = Mutex::new(Use { made: 0, free: Vec::new() });
/// The next unique reactor id. 0 means no reactor.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Bookkeeping of [`TABLE`].
struct Use {
    /// How many entries have been made.
    made: u16,
    /// Entries that no reactor uses.
    free: Vec<u16>,
}

/// Lends a mailbox to a new reactor and gives the reactor its unique id.
pub(crate) fn acquire() -> io::Result<(&'static Mailbox, u64)> {
    let mut usage = lock(&USE);
    let index = match usage.free.pop() {
        Some(index) => index,
        None if usize::from(usage.made) < MAX_REACTORS => {
            usage.made += 1;
            usage.made - 1
        }
        None => {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "too many reactors are alive: a process may have 4096, drop some first",
            ));
        }
    };
    drop(usage);
    let mailbox = TABLE[usize::from(index)].get_or_init(|| Mailbox {
        index,
        inbox: Inbox::default(),
        words: [const { OnceLock::new() }; CHUNKS],
        reader: Mutex::new(None),
    });
    Ok((mailbox, NEXT_ID.fetch_add(1, Ordering::Relaxed)))
}

/// Wakes a task of a reactor that does not run on this thread, or that is gone.
#[cold]
pub(crate) fn wake(name: Name) {
    let Some(mailbox) = TABLE[usize::from(name.reactor())].get() else { return };
    // A name can only have been made after its word.
    let Some(word) = mailbox.existing_word(name.slot()) else { return };
    if word.notify(name.generation()) && mailbox.inbox.push_name(name.bits()) {
        mailbox.unpark();
    }
}

impl Mailbox {
    pub(crate) fn index(&self) -> u16 {
        self.index
    }

    pub(crate) fn inbox(&self) -> &Inbox<Call> {
        &self.inbox
    }

    /// The word of task slot `slot`, made if need be.
    pub(crate) fn word(&self, slot: u32) -> &Word {
        let (chunk, place) = chunks::locate(slot);
        let words = self.words[chunk].get_or_init(|| {
            std::iter::repeat_with(Word::default).take(chunks::size_of_chunk(chunk)).collect()
        });
        &words[place]
    }

    fn existing_word(&self, slot: u32) -> Option<&Word> {
        let (chunk, place) = chunks::locate(slot);
        self.words.get(chunk)?.get()?.get(place)
    }

    /// Starts to take in for the reactor with this id, which is this thread's.
    pub(crate) fn open(&self, id: u64, unparker: Arc<dyn Unpark>, record: Option<Arc<Shared>>) {
        let thread = thread::current().id();
        *lock(&self.reader) = Some(Reader { id, thread, unparker, record });
        self.inbox.open(id);
    }

    /// What reactor `id` records, or none if it does not.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(crate) fn record(&self, id: u64) -> Result<Option<Arc<Shared>>, Closed> {
        let reader = lock(&self.reader);
        let reader = reader.as_ref().filter(|reader| reader.id == id).ok_or(Closed)?;
        Ok(reader.record.clone())
    }

    /// Whether reactor `id` is alive and belongs to this thread, running or not.
    pub(crate) fn is_read_here(&self, id: u64) -> bool {
        // Only this thread could end a reactor of its own, so a true answer stays true.
        lock(&self.reader)
            .as_ref()
            .is_some_and(|reader| reader.id == id && reader.thread == thread::current().id())
    }

    /// Refuses everything from here on; returns the calls that will never run.
    pub(crate) fn close(&self) -> Vec<Call> {
        let drained = self.inbox.close();
        // Outside the lock: dropping it closes a descriptor.
        let reader = lock(&self.reader).take();
        drop(reader);
        drained.calls.into()
    }

    /// Gives the mailbox back for another reactor. No slot may be in use any more.
    pub(crate) fn release(&self) {
        lock(&USE).free.push(self.index);
    }

    /// Pushes a call for reactor `id`; gives it back if that reactor is gone.
    pub(crate) fn call(&self, id: u64, call: Call) -> Result<(), Call> {
        if self.inbox.push_call(id, call)? {
            self.unpark();
        }
        Ok(())
    }

    fn unpark(&self) {
        let unparker = lock(&self.reader).as_ref().map(|reader| Arc::clone(&reader.unparker));
        if let Some(unparker) = unparker {
            unparker.unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic, so the data is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
