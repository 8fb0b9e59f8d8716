//! Waiting for whichever of several things comes first.
//!
//! Everything that can be waited for is a word that changes: the epoch of a ring in shared memory,
//! or a bell of this process that calls and processes ring at their end. The kernel waits for all
//! of them at once (`futex_waitv`). Each round reads the words, then looks at the things, then
//! sleeps if no word has changed since: what happens in between is not slept through.

use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::ClockId;
use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};

use crate::channel::Receiver;
use crate::clock;
use crate::completed::Bell;
use crate::exit::Exit;
use crate::handle::JoinHandle;
use crate::holders::Holders;
use crate::process::Process;
use crate::queue::Queue;
use crate::ring::{Direction, Refusal, Ring};
use crate::ticket::Ticket;

/// The kernel waits for this many words at a time.
const MOST_WORDS: usize = 128;

/// How often to look when the kernel cannot wait for several words: before Linux 5.16, where a
/// filter forbids it, and for more than 127 queues and receivers.
const WITHOUT_HELP: Duration = Duration::from_millis(10);

/// One thing that is waited for.
enum Source<'a> {
    /// A message, or that none will come.
    Messages(&'a Ring, Option<Holders>),
    /// The end of a call.
    Call(&'a Ticket),
    /// The end of a process, with that of its call.
    Process(&'a Exit, &'a Ticket),
}

/// Waits for whichever of several things comes first: a value in a [`Queue`] or a [`Receiver`], the
/// end of a call or of a [`Process`].
///
/// Each thing has the number in which it was added, from 0 on.
///
/// ```
/// use processes::{Pool, Select, Sender, channel};
///
/// let pool = Pool::new(1)?;
/// let (send, receive) = channel::<u32>(4)?;
/// let call = pool.submit(|send: Sender<u32>| send.send(7).is_ok(), send);
/// let mut select = Select::new();
/// let (value, end) = (select.recv(&receive), select.join(&call));
/// let ready = select.wait(None);
/// assert!(ready.contains(&value) || ready.contains(&end));
/// assert_eq!(receive.recv()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "it does nothing until `wait`"]
pub struct Select<'a> {
    /// In the order in which they were added.
    sources: Vec<Source<'a>>,
}

impl<'a> Select<'a> {
    /// Waits for nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a receiver: ready when there is a value, or when no sender is left. Returns its number.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        let (ring, senders) = receiver.parts();
        self.add(Source::Messages(ring, Some(senders)))
    }

    /// Adds a queue: ready when there is a value, or when it was shut down. Returns its number.
    pub fn get<T>(&mut self, queue: &'a Queue<T>) -> usize {
        self.add(Source::Messages(queue.ring(), None))
    }

    /// Adds a call: ready when it is finished, in whatever way. Returns its number.
    pub fn join<R>(&mut self, handle: &'a JoinHandle<R>) -> usize {
        self.add(Source::Call(handle.ticket()))
    }

    /// Adds a process: ready when it has ended. Returns its number.
    pub fn end<R>(&mut self, process: &'a Process<R>) -> usize {
        let (exit, handle) = process.parts();
        self.add(Source::Process(exit, handle.ticket()))
    }

    /// How many things were added.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// True when nothing was added.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Waits until at least one of them is ready, but not longer than `limit` (`None`: however long
    /// it takes). Returns the numbers of all that are, in ascending order; none when time is over.
    ///
    /// Nothing is taken: if others take values from the same queue, the value may be gone when you
    /// come for it, so use `try_get` then. May be called again and again.
    ///
    /// # Panics
    /// When nothing was added and there is no limit: it would wait for ever.
    pub fn wait(&self, limit: impl Into<Option<Duration>>) -> Vec<usize> {
        let limit = limit.into();
        assert!(
            limit.is_some() || !self.is_empty(),
            "a Select without anything to wait for would wait for ever: add something"
        );
        let deadline_ns = limit.map_or(u64::MAX, clock::after_ns);
        let bell = Arc::new(Bell::selected());
        for source in &self.sources {
            source.ring_at_end(&bell);
        }
        let ready = self.wait_until(deadline_ns, bell.futex());
        for source in &self.sources {
            source.ring_no_more(&bell);
        }
        ready
    }

    /// Adds one.
    fn add(&mut self, source: Source<'a>) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// The one way to wait.
    fn wait_until(&self, deadline_ns: u64, bell: &AtomicU32) -> Vec<usize> {
        loop {
            let mut words = vec![(bell, bell.load(Ordering::Acquire))];
            let mut wake_ns = deadline_ns;
            let mut ready = Vec::new();
            for (number, source) in self.sources.iter().enumerate() {
                match source.look() {
                    Look::Ready => ready.push(number),
                    Look::Bell => {}
                    Look::Word { word, value, again_ns } => {
                        words.push((word, value));
                        wake_ns = wake_ns.min(again_ns.unwrap_or(u64::MAX));
                    }
                }
            }
            if !ready.is_empty() || clock::left(deadline_ns).is_none() {
                return ready;
            }
            sleep(&words, wake_ns);
        }
    }
}

/// What a look at a thing says.
enum Look<'a> {
    /// It is there.
    Ready,
    /// The bell will ring.
    Bell,
    /// This word will change from this value.
    Word {
        /// In shared memory.
        word: &'a AtomicU32,
        /// Read before the look.
        value: u32,
        /// When to look again all the same.
        again_ns: Option<u64>,
    },
}

impl<'a> Source<'a> {
    /// Whether it is there, or what to sleep on.
    fn look(&self) -> Look<'a> {
        match *self {
            Self::Call(ticket) if ticket.is_finished() => Look::Ready,
            Self::Process(exit, ticket) if exit.is_over() && ticket.is_finished() => Look::Ready,
            Self::Call(_) | Self::Process(..) => Look::Bell,
            Self::Messages(ring, ref senders) => {
                let Err(Refusal::Wait(value)) = ring.peek() else { return Look::Ready };
                if senders.as_ref().is_some_and(Holders::are_gone) {
                    return Look::Ready;
                }
                let again_ns = senders.as_ref().and_then(Holders::watch_ns);
                Look::Word { word: ring.futex(Direction::Message), value, again_ns }
            }
        }
    }

    /// Has the bell rung when it is there, or before the first look.
    fn ring_at_end(&self, bell: &Arc<Bell>) {
        match self {
            Self::Messages(..) => {}
            Self::Call(ticket) => ticket.ring_when_finished(bell, 0),
            Self::Process(exit, ticket) => {
                exit.ring_at_end(bell);
                ticket.ring_when_finished(bell, 0);
            }
        }
    }

    /// Forgets the bell.
    fn ring_no_more(&self, bell: &Arc<Bell>) {
        match self {
            Self::Messages(..) => {}
            Self::Call(ticket) => ticket.ring_no_more(bell),
            Self::Process(exit, ticket) => {
                exit.ring_no_more(bell);
                ticket.ring_no_more(bell);
            }
        }
    }
}

/// Sleeps until one of the words has changed, at most until `wake_ns`. It may also return early.
fn sleep(words: &[(&AtomicU32, u32)], wake_ns: u64) {
    let Some(left) = clock::left(wake_ns) else { return };
    if let &[(word, value)] = words {
        let timeout = (wake_ns != u64::MAX).then(|| clock::timespec(left));
        // Woken, interrupted, timed out, or it had changed already: the caller looks again.
        let _ended = futex::wait(word, Flags::empty(), value, timeout.as_ref());
        return;
    }
    if words.len() <= MOST_WORDS {
        let waits: Vec<_> = words.iter().map(|&(word, value)| wait_for(word, value)).collect();
        // This clock's time and not a duration; without a limit when there is none.
        let until = (wake_ns != u64::MAX).then(|| clock::timespec(Duration::from_nanos(wake_ns)));
        let ended = futex::waitv(&waits, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic);
        if !matches!(ended, Err(Errno::NOSYS | Errno::PERM | Errno::INVAL)) {
            return;
        }
    }
    let (word, value) = words[0];
    let pause = clock::timespec(left.min(WITHOUT_HELP));
    // As above.
    let _ended = futex::wait(word, Flags::empty(), value, Some(&pause));
}

/// One word, for the kernel.
fn wait_for(word: &AtomicU32, value: u32) -> Wait {
    let mut wait = Wait::new();
    wait.val = value.into();
    wait.uaddr = WaitPtr::new(ptr::from_ref(word).cast_mut().cast());
    wait.flags = WaitFlags::SIZE_U32;
    wait
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("sources", &self.len()).finish_non_exhaustive()
    }
}
