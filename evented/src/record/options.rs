//! How a reactor is to be recorded, and how it is.

use std::path::PathBuf;
use std::time::Duration;

/// How much of a reactor is recorded, for [`Builder::recorder`](crate::Builder::recorder).
///
/// ```
/// use evented::record::RecorderSpec;
///
/// let reactor = evented::Reactor::builder().recorder(RecorderSpec::new().events(1 << 16)).build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are given to a builder"]
pub struct RecorderSpec {
    /// See [`RecorderSpec::off`].
    pub(crate) is_on: bool,
    /// See [`RecorderSpec::events`].
    pub(crate) events: usize,
    /// See [`RecorderSpec::in_memory`].
    pub(crate) in_file: bool,
    /// See [`RecorderSpec::slow_poll`].
    pub(crate) slow_poll: Duration,
}

/// The least number of events that is kept.
pub(crate) const MIN_EVENTS: usize = 1 << 11;
/// The largest number of events that is kept.
pub(crate) const MAX_EVENTS: usize = 1 << 24;

impl RecorderSpec {
    /// What a reactor does that is not told otherwise.
    pub fn new() -> Self {
        Self { is_on: true, events: 1 << 14, in_file: true, slow_poll: Duration::from_millis(1) }
    }

    /// No recorder: no events, no [dump](crate::Reactor::dump), and nobody notices a task that blocks
    /// the loop.
    pub fn off() -> Self {
        Self { is_on: false, ..Self::new() }
    }

    /// How many events are kept; the oldest are overwritten. A power of two from 2,048 to 16,777,216: any
    /// other number becomes the next one. An event has 32 bytes; a poll is at least one, mostly two.
    /// Default: 16,384.
    pub fn events(mut self, events: usize) -> Self {
        self.events = events.clamp(MIN_EVENTS, MAX_EVENTS).next_power_of_two();
        self
    }

    /// Keeps the record in memory of this process: nothing is to be seen from outside, nothing is left
    /// when the process is killed, and no file is made.
    pub fn in_memory(mut self) -> Self {
        self.in_file = false;
        self
    }

    /// From which length on a poll is recorded as an overrun. Default: a millisecond.
    pub fn slow_poll(mut self, longer_than: Duration) -> Self {
        self.slow_poll = longer_than;
        self
    }
}

impl Default for RecorderSpec {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the record of a reactor is; see [`Reactor::recording`](crate::Reactor::recording).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recording {
    /// There is none.
    Off,
    /// In this file, until the reactor is dropped.
    File(PathBuf),
    /// In memory of this process, because a file was not asked for, or for this reason.
    Memory(Option<String>),
}
