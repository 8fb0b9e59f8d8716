//! What a task waits for.

use std::fmt;
use std::os::fd::RawFd;

use super::layout::{Who, wait};
use super::who::TaskId;
use crate::current;
pub use crate::sources::Direction;

/// What a task waits for, as its leaf futures have told with [`waits_for`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitsFor {
    /// Nobody has told: a future that is not of this crate.
    #[default]
    Unknown,
    /// A descriptor, for reading or writing.
    Io {
        /// The descriptor.
        fd: RawFd,
        /// Reading or writing.
        direction: Direction,
    },
    /// A point in time.
    Timer,
    /// The end of a task.
    Join(TaskId),
    /// A lock, a permit, a place.
    Lock {
        /// Tells locks apart; a number of at most 48 bits, the address for example.
        lock: u64,
        /// The task that has it, if one does and it is known. Of a semaphore, one of those that have a
        /// permit: the one that has got the last one, until it gives it back.
        owner: Option<TaskId>,
    },
    /// A channel, or another kind of notice.
    Chan {
        /// Tells them apart; a number of at most 48 bits, the address for example.
        chan: u64,
        /// The task that is to end the wait, if there is one such and it is known. Of a full channel the
        /// receiver, of an empty one its only sender, of a `watch` its sender, once they have waited, woken
        /// or sent; of a `oneshot`, an `Event` and a `Notify` who has claimed it.
        keeper: Option<TaskId>,
    },
    /// A closure on the pool of [`blocking`](fn@crate::blocking).
    Blocking,
    /// The end of a child process.
    Child(u32),
    /// A signal.
    Signal(u32),
}

/// Tells what the task that is being polled waits for: a leaf future calls this each time before it
/// returns `Pending`. It costs a few nanoseconds, and nothing outside of a reactor or without a recorder.
///
/// What was told first in a poll counts, except that a [`Timer`](WaitsFor::Timer) gives way to
/// anything else: a task in a [`timeout`](fn@crate::timeout) waits for what is inside. A child or a
/// signal takes the place of the descriptor that was told before, through which it comes. How many more
/// things it waits for is shown as a number.
///
/// ```
/// use std::future::poll_fn;
/// use std::task::Poll;
/// use evented::record::{WaitsFor, waits_for};
///
/// # evented::block_on(async {
/// let answer = evented::spawn(poll_fn(|_| {
///     waits_for(WaitsFor::Chan { chan: 42, keeper: None });
///     Poll::<()>::Pending
/// }));
/// evented::yield_now().await;
/// let dump = evented::handle().dump().expect("it is alive");
/// let waits = dump.task(answer.id()).expect("it waits").waits_for;
/// assert_eq!(waits, WaitsFor::Chan { chan: 42, keeper: None });
/// # });
/// ```
pub fn waits_for(what: WaitsFor) {
    waits_for_some(what, 0);
}

/// As [`waits_for`], with so many other things of that kind.
pub(crate) fn waits_for_some(what: WaitsFor, more: usize) {
    if let Some(engine) = current::try_engine() {
        engine.waits_for_some(what, more);
    }
}

impl WaitsFor {
    /// As the two words of an entry.
    pub(super) fn to_words(self) -> (u64, u64) {
        let word = |kind: u64, value: u64| (kind << wait::KIND_SHIFT) | (value & wait::VALUE);
        let task = |task: Option<TaskId>| task.map_or(0, |task| Who::task(task.0).0);
        match self {
            Self::Unknown => (word(wait::UNKNOWN, 0), 0),
            Self::Io { fd, direction } => {
                let read = direction == Direction::Read;
                let kind = if read { wait::READ } else { wait::WRITE };
                (word(kind, u64::from(fd.cast_unsigned())), 0)
            }
            Self::Timer => (word(wait::TIMER, 0), 0),
            Self::Join(of) => (word(wait::JOIN, 0), task(Some(of))),
            Self::Lock { lock, owner } => (word(wait::LOCK, lock), task(owner)),
            Self::Chan { chan, keeper } => (word(wait::CHAN, chan), task(keeper)),
            Self::Blocking => (word(wait::BLOCKING, 0), 0),
            Self::Child(pid) => (word(wait::CHILD, pid.into()), 0),
            Self::Signal(signal) => (word(wait::SIGNAL, signal.into()), 0),
        }
    }

    /// The words of an entry when this is told, with so many others, after what its word says. The
    /// second one is none if it stays; both are if they do.
    pub(super) fn after(self, before: u64, others: usize) -> Option<(u64, Option<u64>)> {
        let told = before >> wait::MORE_SHIFT & 0xFF;
        let others = u64::try_from(others).unwrap_or(u64::MAX);
        let more = |count: u64| count.min(0xFF) << wait::MORE_SHIFT;
        let (word, other) = self.to_words();
        match before >> wait::KIND_SHIFT {
            wait::UNKNOWN => Some((word | more(others), Some(other))),
            // It has been woken meanwhile.
            wait::READY => None,
            wait::READ if self.comes_through() && told == 0 => {
                Some((word | more(others), Some(other)))
            }
            wait::TIMER => Some((word | more(told.saturating_add(1 + others)), Some(other))),
            _ => {
                let rest = before & !(0xFF << wait::MORE_SHIFT);
                Some((rest | more(told.saturating_add(1 + others)), None))
            }
        }
    }

    /// Whether it comes through something else, which is told of, too.
    pub(super) fn comes_through(self) -> bool {
        matches!(self, Self::Child(_) | Self::Signal(_))
    }

    /// From the two words of an entry. What a later version has written is unknown.
    pub(super) fn from_words(word: u64, other: u64) -> Self {
        let (value, task) = (word & wait::VALUE, Who(other).name().map(TaskId));
        // What was written had 32 bits.
        let low = u32::try_from(value).unwrap_or(u32::MAX);
        let io = |direction| Self::Io { fd: low.cast_signed(), direction };
        match word >> wait::KIND_SHIFT {
            wait::READ => io(Direction::Read),
            wait::WRITE => io(Direction::Write),
            wait::TIMER => Self::Timer,
            wait::JOIN => task.map_or(Self::Unknown, Self::Join),
            wait::LOCK => Self::Lock { lock: value, owner: task },
            wait::CHAN => Self::Chan { chan: value, keeper: task },
            wait::BLOCKING => Self::Blocking,
            wait::CHILD => Self::Child(low),
            wait::SIGNAL => Self::Signal(low),
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("something that was not told"),
            Self::Io { fd, direction: Direction::Read } => write!(f, "descriptor {fd} to read"),
            Self::Io { fd, direction: Direction::Write } => write!(f, "descriptor {fd} to write"),
            Self::Timer => f.write_str("a timer"),
            Self::Join(task) => write!(f, "task {task}"),
            Self::Lock { lock, owner: Some(owner) } => {
                write!(f, "lock {lock:#x}, which task {owner} has")
            }
            Self::Lock { lock, owner: None } => write!(f, "lock {lock:#x}"),
            Self::Chan { chan, keeper: Some(keeper) } => {
                write!(f, "channel {chan:#x}, on task {keeper}")
            }
            Self::Chan { chan, keeper: None } => write!(f, "channel {chan:#x}"),
            Self::Blocking => f.write_str("a closure on the blocking pool"),
            Self::Child(pid) => write!(f, "child process {pid}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    #[test]
    fn what_is_told_first_counts_and_timers_give_way() {
        let after = |told: &[WaitsFor]| {
            let (mut word, mut other) = (0, 0);
            for what in told {
                if let Some((new, task)) = what.after(word, 0) {
                    word = new;
                    other = task.unwrap_or(other);
                }
            }
            (WaitsFor::from_words(word, other), word >> wait::MORE_SHIFT & 0xFF)
        };
        let io = WaitsFor::Io { fd: 3, direction: Direction::Read };
        let join = WaitsFor::Join(TaskId(Name::new(0, 1, 2)));
        assert_eq!(after(&[io, WaitsFor::Timer]), (io, 1));
        assert_eq!(after(&[WaitsFor::Timer, io]), (io, 1));
        let chan = |chan| WaitsFor::Chan { chan, keeper: None };
        assert_eq!(after(&[join, chan(1), io]), (join, 2));
        assert_eq!(after(&[WaitsFor::Timer, WaitsFor::Timer, join]), (join, 2));
        assert_eq!(after(&[io, WaitsFor::Child(9)]), (WaitsFor::Child(9), 0));
        assert_eq!(after(&[chan(4), io, WaitsFor::Signal(2)]), (chan(4), 2));
        let many = chan(1).after(0, 1_000).unwrap().0;
        assert_eq!(many >> wait::MORE_SHIFT & 0xFF, 255);
        assert_eq!(io.after(wait::READY << wait::KIND_SHIFT, 0), None);
    }

    #[test]
    fn every_wait_survives_packing() {
        let task = TaskId(Name::new(3, 9, 7));
        for wait in [
            WaitsFor::Unknown,
            WaitsFor::Io { fd: 7, direction: Direction::Read },
            WaitsFor::Io { fd: i32::MAX, direction: Direction::Write },
            WaitsFor::Timer,
            WaitsFor::Join(task),
            WaitsFor::Lock { lock: wait::VALUE, owner: Some(task) },
            WaitsFor::Lock { lock: 0, owner: None },
            WaitsFor::Chan { chan: 0x7FFF_FFFF_FFFF, keeper: None },
            WaitsFor::Chan { chan: 1, keeper: Some(task) },
            WaitsFor::Blocking,
            WaitsFor::Child(u32::MAX),
            WaitsFor::Signal(15),
        ] {
            let (word, other) = wait.to_words();
            assert_eq!(WaitsFor::from_words(word, other), wait);
        }
        assert_eq!(WaitsFor::from_words(99 << wait::KIND_SHIFT, 1), WaitsFor::Unknown);
    }
}
