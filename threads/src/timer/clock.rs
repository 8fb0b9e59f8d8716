//! The thread that makes the calls of all timers.
//!
//! | status of an entry | left by | to |
//! |---|---|---|
//! | `Waiting` | the thread, when its time has come | `Calling` |
//! | | `cancel` | `Over` |
//! | `Calling` | the thread, after the last call or one that panicked | `Over` |
//! | | the thread, after another call | `Waiting` |
//! | | `cancel`, of one that would be called again | `Cancelled` |
//! | `Cancelled` | the thread, after the call | `Over` |
//! | `Over` | nobody | |
//!
//! The thread is there while entries are, and for [`LINGER`] after that. Whether it is there
//! is a field under the mutex of the schedule, so that an entry either is seen by the thread
//! before it ends, or starts another one.

use crate::unwind::{catch, drop_quietly};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long the thread waits for another timer when there is none.
const LINGER: Duration = Duration::from_millis(500);

/// A closure to call, once or more.
type Call = Box<dyn FnMut() + Send>;

/// One timer.
pub(super) struct Entry {
    /// How far it is; see the module.
    pub(super) status: Mutex<Status>,
    /// Notified when it is over.
    pub(super) over: Condvar,
    /// What to call; empty when it is over. Held by the thread during the call, and by nobody
    /// else for more than a moment.
    call: Mutex<Option<Call>>,
    /// The time between calls, if there is more than one.
    period: Option<Duration>,
    /// Where it is in the schedule, while it is.
    place: Mutex<Option<Place>>,
}

/// How far an entry is; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Its time has not come.
    Waiting,
    /// The call is being made.
    Calling,
    /// The call is being made, for the last time.
    Cancelled,
    /// No call will be made.
    Over,
}

/// When an entry is due, and a number that tells it from others that are due then.
type Place = (Instant, u64);

/// The entries that wait, and the thread.
struct Schedule {
    /// The entries, the first one due first.
    entries: BTreeMap<Place, Arc<Entry>>,
    /// The number of the next place.
    next: u64,
    /// Whether the thread is there, and will look at the entries before it ends.
    running: bool,
}

/// The entries that wait, and the thread.
static SCHEDULE: Mutex<Schedule> =
    Mutex::new(Schedule { entries: BTreeMap::new(), next: 0, running: false });

/// Notified when an entry comes before all others.
static EARLIER: Condvar = Condvar::new();

impl Entry {
    /// An entry that waits, but is in no schedule.
    pub(super) fn new(call: Call, period: Option<Duration>) -> Self {
        Self {
            status: Mutex::new(Status::Waiting),
            over: Condvar::new(),
            call: Mutex::new(Some(call)),
            period,
            place: Mutex::new(None),
        }
    }

    /// See [`Timer::cancel`](super::Timer::cancel).
    pub(super) fn cancel(&self) -> bool {
        let mut status = self.status.lock();
        match *status {
            Status::Waiting => *status = Status::Over,
            Status::Calling if self.period.is_some() => {
                *status = Status::Cancelled;
                return true;
            }
            _ => return false,
        }
        drop(status);
        self.over.notify_all();
        let place = self.place.lock().take();
        if let Some(place) = place {
            SCHEDULE.lock().entries.remove(&place);
            EARLIER.notify_one(); // The thread may have waited for this one alone.
        }
        let call = self.call.lock().take();
        drop_quietly(call);
        true
    }

    /// Makes the call, if it was not cancelled. Says when to make the next one.
    fn run(&self, due: Instant) -> Option<Instant> {
        {
            let mut status = self.status.lock();
            if *status != Status::Waiting {
                return None;
            }
            *status = Status::Calling;
        }
        let mut call = self.call.lock().take();
        let panicked = call.as_mut().is_some_and(|call| catch(call).is_err());
        let next = if panicked { None } else { self.next(due) };
        let mut status = self.status.lock();
        if let (Some(next), Status::Calling) = (next, *status) {
            *self.call.lock() = call;
            *status = Status::Waiting;
            return Some(next);
        }
        drop(status);
        drop_quietly(call); // Before it is over: whoever waited may count on it.
        *self.status.lock() = Status::Over;
        self.over.notify_all();
        None
    }

    /// The first whole period after `due` that is not over.
    fn next(&self, due: Instant) -> Option<Instant> {
        let period = self.period?;
        let late = Instant::now().saturating_duration_since(due);
        let missed = u32::try_from(late.as_nanos() / period.as_nanos()).unwrap_or(u32::MAX);
        due.checked_add(period.checked_mul(missed.saturating_add(1))?)
    }
}

/// Has the thread call the entry at this time.
pub(super) fn schedule(at: Instant, entry: &Arc<Entry>) -> io::Result<()> {
    let mut schedule = SCHEDULE.lock();
    if !schedule.running {
        // Under the mutex: two threads would be started otherwise.
        thread::Builder::new().name("threads-timer".to_owned()).spawn(run)?;
        schedule.running = true;
    }
    let place = (at, schedule.next);
    schedule.next += 1;
    *entry.place.lock() = Some(place);
    schedule.entries.insert(place, Arc::clone(entry));
    let is_first = schedule.entries.first_key_value().is_some_and(|(first, _)| *first == place);
    drop(schedule);
    if is_first {
        EARLIER.notify_one();
    }
    Ok(())
}

/// The thread.
fn run() {
    let mut schedule = SCHEDULE.lock();
    loop {
        let Some(first) = schedule.entries.first_entry() else {
            let over = EARLIER.wait_for(&mut schedule, LINGER).timed_out();
            if over && schedule.entries.is_empty() {
                schedule.running = false;
                return;
            }
            continue;
        };
        let due = first.key().0;
        if due > Instant::now() {
            EARLIER.wait_until(&mut schedule, due);
            continue;
        }
        let entry = first.remove();
        MutexGuard::unlocked(&mut schedule, || {
            if let Some(next) = entry.run(due) {
                self::schedule(next, &entry).expect("the thread is there: it is this one");
            }
            drop(entry);
        });
    }
}
