//! What a core is doing, and has done.

use super::{Core, Seat};

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Calls that returned a value.
    pub(crate) done: u64,
    /// Calls that panicked.
    pub(crate) panicked: u64,
    /// Calls that failed in another way, cancelled ones not counted.
    pub(crate) failed: u64,
    /// Calls that were cancelled before they ran.
    pub(crate) cancelled: u64,
    /// Workers that were started.
    pub(crate) started: u64,
    /// Attempts after the first one.
    pub(crate) retried: u64,
    /// Workers that were replaced because they had executed enough or used too much memory.
    pub(crate) recycled: u64,
    /// Workers that ended although nobody had told them to.
    pub(crate) lost: u64,
}

/// A moment's view of a core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Calls that have not started.
    pub(crate) queued: usize,
    /// Calls that are being executed.
    pub(crate) running: usize,
    /// Workers that are ready.
    pub(crate) ready: usize,
    /// Totals.
    pub(crate) counters: Counters,
}

impl Core {
    /// A moment's view.
    pub(crate) fn view(&self) -> View {
        let state = self.lock();
        let running: usize = state.seats.iter().map(Seat::running).sum();
        let in_flight: usize = state.seats.iter().map(Seat::items).sum();
        View {
            queued: state.queue.items() + in_flight.saturating_sub(running),
            running,
            ready: state.seats.iter().filter(|seat| seat.is_serving()).count(),
            counters: state.counters,
        }
    }
}
