//! The thread that makes the calls of all timers.
//!
//! | status of an entry | left by | to |
//! |---|---|---|
//! | `Waiting` | the thread, when its time has come | `Calling` |
//! | | `cancel`, which then drops the closure | `Cancelled` |
//! | `Calling` | the thread, after the last call or one that panicked | `Over` |
//! | | the thread, after another call | `Waiting` |
//! | | `cancel`, of one that would be called again | `Cancelled` |
//! | `Cancelled` | the thread, after the call; or `cancel`, if there was none | `Over` |
//! | `Over` | nobody | |
//!
//! Whoever makes it `Over` has dropped the closure before: those who wait may count on that.
//!
//! The thread is there while entries are, and for [`LINGER`] after that. Whether it is there
//! is a field under the mutex of the schedule, so that an entry either is seen by the thread
//! before it ends, or starts another one.

use crate::unwind::{catch, drop_quietly};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::ptr;
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
    /// Where it is in the schedule, while it is. Locked only while the schedule is.
    place: Mutex<Option<Place>>,
}

/// How far an entry is; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Its time has not come.
    Waiting,
    /// The call is being made.
    Calling,
    /// No other call will be made; one is being made, or the closure is being dropped.
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

/// Notified when an entry comes before all others, and when the last one was cancelled.
static EARLIER: Condvar = Condvar::new();

thread_local! {
    /// The entry whose closure the thread is calling or dropping; only ever compared.
    static INSIDE: Cell<*const Entry> = const { Cell::new(ptr::null()) };
}

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
            Status::Waiting => *status = Status::Cancelled,
            Status::Calling if self.period.is_some() => {
                *status = Status::Cancelled;
                return true;
            }
            _ => return false,
        }
        drop(status);
        self.leave();
        let call = self.call.lock().take();
        self.end(call);
        true
    }

    /// Whether the calling thread is in the closure of this entry, or in its drop.
    pub(super) fn is_above(&self) -> bool {
        ptr::eq(INSIDE.get(), self)
    }

    /// Goes out of the schedule.
    fn leave(&self) {
        let mut schedule = SCHEDULE.lock();
        let place = self.place.lock().take();
        if let Some(place) = place {
            schedule.entries.remove(&place);
            // With others, the thread may wake too early once, which costs less than to tell it.
            let is_last = schedule.entries.is_empty();
            drop(schedule);
            if is_last {
                EARLIER.notify_one();
            }
        }
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
        let returned = self.inside(|| {
            // The payload of a panic is a user value, too.
            call.as_mut().is_none_or(|call| catch(call).map_err(drop_quietly).is_ok())
        });
        let next = if returned { self.next(due) } else { None };
        let mut status = self.status.lock();
        if let (Some(next), Status::Calling) = (next, *status) {
            *self.call.lock() = call;
            *status = Status::Waiting;
            return Some(next);
        }
        drop(status);
        self.end(call);
        None
    }

    /// Drops the closure, after which the entry is over.
    fn end(&self, call: Option<Call>) {
        self.inside(|| drop_quietly(call));
        *self.status.lock() = Status::Over;
        self.over.notify_all();
    }

    /// Runs user code of this entry, whose panics `f` has caught.
    fn inside<R>(&self, f: impl FnOnce() -> R) -> R {
        let outer = INSIDE.replace(self);
        let result = f();
        INSIDE.set(outer);
        result
    }

    /// The first whole period after `due` that is not over.
    fn next(&self, due: Instant) -> Option<Instant> {
        let period = self.period?;
        let now = Instant::now();
        let since = now.saturating_duration_since(due).as_nanos() % period.as_nanos();
        let since = Duration::from_nanos(u64::try_from(since).ok()?);
        now.checked_add(period.saturating_sub(since))
    }
}

/// Has the thread call the entry at this time, if it was not cancelled.
pub(super) fn schedule(at: Instant, entry: &Arc<Entry>) -> io::Result<()> {
    let mut schedule = SCHEDULE.lock();
    if *entry.status.lock() != Status::Waiting {
        return Ok(()); // It has left already, and nobody would take it out.
    }
    if !schedule.running {
        // Under the mutex: two threads would be started otherwise.
        let started = thread::Builder::new().name("threads-timer".to_owned()).spawn(run);
        let text = |error: &io::Error| format!("start thread threads-timer: {error}");
        drop(started.map_err(|error| io::Error::new(error.kind(), text(&error)))?);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry that is cancelled after a call, before it is in the schedule again, does not
    /// keep the thread until its next time.
    #[test]
    fn cancelled_between_calls() {
        let entry = Arc::new(Entry::new(Box::new(|| ()), Some(Duration::from_hours(1))));
        let next = entry.run(Instant::now()).expect("it will be called again");
        assert!(entry.cancel());
        schedule(next, &entry).expect("a thread can be started");
        assert_eq!(Arc::strong_count(&entry), 1, "it is not in the schedule");
    }
}
