//! Seeing what happens: the record of a reactor.
//!
//! A reactor writes down what it does, in memory that others can read: the last events in a ring, and a
//! table of its tasks. That costs a few nanoseconds per poll, so it is on unless it is
//! [switched off](RecorderSpec::off).
//!
//! | to know | ask |
//! |---|---|
//! | which tasks there are, and what each waits for | [`Reactor::dump`](crate::Reactor::dump), [`Handle::dump`](crate::Handle::dump) |
//! | what has happened | [`Reactor::record`](crate::Reactor::record), [`Handle::record`](crate::Handle::record) |
//! | the same of another process, also of one that was killed | [`Record::open`] |
//!
//! None of them polls a future, and those of a [`Handle`](crate::Handle) work while a task keeps the
//! reactor from going on.
//!
//! # The file
//!
//! Each reactor has a file in a directory that only this user may enter: `$XDG_RUNTIME_DIR/evented`, or,
//! where there is no such directory, `evented-UID` in `$TMPDIR`, or, where that is not set, in
//! `/dev/shm` or `/tmp`. It is removed when the reactor is dropped. A process that is killed, or
//! ends by [`exit`](std::process::exit) before that, leaves it behind, so that [`Record::open`] tells what it was
//! doing. The first reactor that another process of this user builds removes what dead processes have left,
//! but for the newest four: a service that dies and is started again at once, a few times, is still to be
//! found out about. Tests and scripts that kill programs give them a directory of their own in
//! `$XDG_RUNTIME_DIR`. When there is no directory, no room or no descriptor left, the record is in memory
//! of the process alone, and all else works; [`Reactor::recording`](crate::Reactor::recording) tells.
//!
//! The file begins with `EVENTED2` and carries a description of itself, as text from byte 4,096 on:
//! programs in other languages find everything by it.
//!
//! Who can write to the file as this user can spoil what is read, and end the process by cutting the file
//! short, just as it could by a signal.

mod chrome;
mod clock;
mod event;
mod file;
mod hooks;
mod image;
mod layout;
mod mapping;
mod options;
mod pen;
mod rate;
mod recorder;
mod report;
mod shared;
mod table;
mod texts;
#[cfg(target_arch = "x86_64")]
mod tsc;
mod wait;
mod watchdog;
mod who;

pub use event::{Ended, Event, Polled, What};
pub use hooks::{Blocked, Trigger};
pub use options::{RecorderSpec, Recording};
pub use report::{ClassName, Dump, Record, TaskReport, TaskState};
pub(crate) use wait::waits_for_some;
pub use wait::{Direction, WaitsFor, waits_for};
pub use who::{Cause, TaskId};

pub(crate) use clock::Clock;
pub(crate) use hooks::Hooks;
pub(crate) use recorder::Recorder;
pub(crate) use shared::{Entry, Shared};

use crate::current;

/// Records something of the user's own: a label, which is the same text each time, and a number. It has
/// the time at which the poll began in which it is called. Nothing happens outside of a reactor.
///
/// ```
/// # evented::block_on(async {
/// evented::record::mark("requests", 17);
/// # });
/// ```
pub fn mark(label: &'static str, value: u64) {
    if let Some(engine) = current::try_engine() {
        engine.mark(label, value);
    }
}
