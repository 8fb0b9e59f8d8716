//! What a pool is built from, checked.

use crate::bound::WhenFull;
use crate::hook::Hook;
use std::sync::Arc;

/// What a worker calls before its first job, with its number; an error or a panic
/// breaks the pool.
pub(crate) type Initializer = Arc<dyn Fn(usize) -> Result<(), String> + Send + Sync>;

/// What a thread does that waits for forked work which others run: the second closure of a
/// [`join`](crate::join), or the rest of a [`scope`](crate::scope()).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Waiting {
    /// Runs what belongs to the work that it waits for, and nothing else; a worker that finds
    /// none of it lets another one take its seat after a moment. So a lock that is held across
    /// a join is only needed by work that would need it in a sequential run, too, a wait does
    /// not become longer than the work it is for, and the stack stays shallow.
    #[default]
    Leapfrog,
    /// Runs anything that the pool has to do, as rayon does. Only for jobs that hold
    /// no lock, no borrow of a `RefCell` and nothing else of that kind while they wait.
    StealAny,
}

/// What a pool is built from, checked.
pub(crate) struct Settings {
    /// What the names of the workers' threads begin with.
    pub(crate) name: String,
    /// Bytes of a worker's stack; `None`: as std has it.
    pub(crate) stack_size: Option<usize>,
    /// The most workers that the pool can be resized to.
    pub(crate) max_workers: usize,
    /// The most threads beside the workers.
    pub(crate) spares: usize,
    /// How many jobs may be queued, and what happens beyond.
    pub(crate) bound: Option<(usize, WhenFull)>,
    /// See [`Initializer`].
    pub(crate) initializer: Option<Initializer>,
    /// What is told about panics.
    pub(crate) on_panic: Option<Hook>,
    /// What a thread may run while it waits for forked work.
    pub(crate) waiting: Waiting,
    /// No threads: who spawns a job runs it.
    pub(crate) inline: bool,
}
