//! What has happened.

use std::time::Duration;

use super::image::Image;
use super::layout::{EVENT_WORDS, Who, kind};
use super::report::Scale;
use super::who::{Cause, TaskId};

/// Something that happened in a reactor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// How many events came before it.
    pub number: u64,
    /// When, since the reactor was built. Only polls, waits, calls and the drops of cancelled futures take the
    /// time: what happens within one has the time at which it began, and the order of the events is that in
    /// which they happened, but for polls, waits and calls, which come at their end.
    pub time: Duration,
    /// To whom.
    pub task: Option<TaskId>,
    /// The class of the task, as an index into [`Dump::classes`](super::Dump::classes).
    pub class: u8,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The task was polled.
    Poll {
        /// How long that took, with what it takes to choose a task.
        took: Duration,
        /// What came out.
        result: Polled,
    },
    /// The task was put into the queue of its class. Nothing is recorded of a task that is there, and of one
    /// that woke itself while it was polled, the poll says so: [`Polled::Yielded`].
    Wake(Cause),
    /// The task was spawned.
    Spawn {
        /// By whom.
        parent: Cause,
        /// Where in the source.
        spawned_at: Option<String>,
    },
    /// The future of the task is gone.
    Done(Ended),
    /// The task is to be cancelled.
    Cancel(Cause),
    /// The reactor asked the system what is ready.
    IoWait {
        /// How long that took.
        took: Duration,
        /// It was ready to sleep; else there was something to do.
        slept: bool,
        /// How many descriptors were ready.
        ready: u32,
    },
    /// Closures that other threads had sent were run.
    Calls {
        /// How long that took.
        took: Duration,
        /// How many there were.
        count: u32,
    },
    /// The poll that was the last event took longer than
    /// [`RecorderSpec::slow_poll`](super::RecorderSpec::slow_poll), or the drop of the task's future did, which
    /// was cancelled.
    Overrun(Duration),
    /// The task has missed a deadline, by so much.
    DeadlineMiss(Duration),
    /// The class went before a more urgent one: by its reserve, or because it had starved.
    Rescue,
    /// The task is queued as one of the class of this event from here on, for someone more urgent who
    /// waits for it. Who acted when that came about is mostly who waits.
    Boost(Cause),
    /// The user's own, see [`mark`](super::mark).
    Mark {
        /// What it is called.
        label: String,
        /// A number.
        value: u64,
    },
    /// Something that this version of the crate does not know.
    Unknown(u8),
}

/// What came out of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Polled {
    /// The future waits.
    Pending,
    /// The future has returned.
    Ready,
    /// The future has panicked.
    Panicked,
    /// The future waits, and the task has woken itself meanwhile: it lets others go first.
    Yielded,
}

/// How a future ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// It returned.
    Returned,
    /// It panicked.
    Panicked,
    /// It was dropped.
    Cancelled,
}

impl Event {
    pub(super) fn of(image: &Image, scale: Scale, n: u64, words: [u64; EVENT_WORDS]) -> Self {
        let [time, who, value, meta] = words;
        let [kind, class, low, high, ..] = meta.to_le_bytes();
        let (detail, text) = (u16::from_le_bytes([low, high]), (meta >> 32) as u32);
        let (took, cause) = (scale.duration(value), Cause::of(Who(value)));
        let what = match kind {
            kind::POLL => What::Poll {
                took,
                result: match detail {
                    0 => Polled::Pending,
                    1 => Polled::Ready,
                    3 => Polled::Yielded,
                    _ => Polled::Panicked,
                },
            },
            kind::WAKE => What::Wake(cause),
            kind::SPAWN => What::Spawn { parent: cause, spawned_at: image.text(text.into()) },
            kind::DONE => What::Done(match detail {
                0 => Ended::Returned,
                1 => Ended::Panicked,
                _ => Ended::Cancelled,
            }),
            kind::CANCEL => What::Cancel(cause),
            kind::IO_WAIT => What::IoWait { took, slept: detail == 1, ready: text },
            kind::CALLS => What::Calls { took, count: text },
            kind::OVERRUN => What::Overrun(took),
            kind::MISS => What::DeadlineMiss(Duration::from_nanos(value)),
            kind::RESCUE => What::Rescue,
            kind::BOOST => What::Boost(cause),
            kind::MARK => What::Mark { label: image.text(text.into()).unwrap_or_default(), value },
            other => What::Unknown(other),
        };
        let task = Who(who).name().map(TaskId);
        Self { number: n, time: scale.moment(time), task, class, what }
    }
}
