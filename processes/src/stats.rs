//! What a pool has done, and what it has left undone.

/// A moment's view of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Workers that the pool is to have. In a pool of a cluster: those of the nodes that have spoken within
    /// 10 s.
    pub workers: usize,
    /// Calls that have not started.
    pub queued: u64,
    /// Calls that are being executed. In a pool of a cluster: those that a node has begun, also those that
    /// wait there for a worker.
    pub running: u64,
    /// Workers that are ready for calls. In a pool of a cluster as many as `workers`, busy ones included.
    pub ready: usize,
    /// Calls that returned a value.
    pub done: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Calls that failed in another way: worker lost, timed out, codec.
    pub failed: u64,
    /// Calls that were cancelled.
    pub cancelled: u64,
    /// Worker processes that were started, replacements included. In a pool of a cluster 0: nodes start
    /// them.
    pub started: u64,
    /// Times that a call was run again. In a pool of a cluster: times that another node has begun a call,
    /// or a message with many; not what a node has run again by itself.
    pub retried: u64,
    /// Workers that were replaced because they had executed enough calls, used too much memory, or had no
    /// descriptor left for what calls bring.
    pub recycled: u64,
    /// Workers that ended although nobody had told them to, those included that were killed for
    /// their call. In a pool of a cluster: times that a node was heard of no more with a call.
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
