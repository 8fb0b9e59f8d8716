//! What a pool has done, and what it has left undone.

/// A moment's view of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Workers that the pool is to have.
    pub workers: usize,
    /// Calls that have not started.
    pub queued: u64,
    /// Calls that are being executed.
    pub running: u64,
    /// Workers that are ready for calls.
    pub ready: usize,
    /// Calls that returned a value.
    pub done: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Calls that failed in another way: worker lost, timed out, codec.
    pub failed: u64,
    /// Calls that were cancelled.
    pub cancelled: u64,
    /// Worker processes that were started, replacements included.
    pub started: u64,
    /// Times that a call was run again.
    pub retried: u64,
    /// Workers that were replaced because they had executed enough calls or used too much memory.
    pub recycled: u64,
    /// Workers that ended although nobody had told them to, those included that were killed for
    /// their call.
    pub lost: u64,
    /// Arguments and buffers that lie in the shared memory of the pool now; see
    /// [`Builder::arena`](crate::Builder::arena).
    pub arena_blocks: usize,
    /// Bytes that they take there, in whole pages.
    pub arena_bytes: usize,
    /// Bytes of memory that are kept there for the next ones.
    pub arena_kept_bytes: usize,
}

/// What [`Pool::shutdown_now`](crate::Pool::shutdown_now) did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "these calls never ran"]
pub struct Unrun {
    /// How many calls.
    pub(crate) count: usize,
}

impl Unrun {
    /// How many calls were cancelled.
    pub fn count(self) -> usize {
        self.count
    }
}
