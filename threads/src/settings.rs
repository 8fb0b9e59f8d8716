//! What a pool is built from, checked.

use crate::bound::WhenFull;
use crate::hook::Hook;
use std::sync::Arc;

/// What a worker calls before its first job, with its number; an error or a panic
/// breaks the pool.
pub(crate) type Initializer = Arc<dyn Fn(usize) -> Result<(), String> + Send + Sync>;

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
    /// No threads: who spawns a job runs it.
    pub(crate) inline: bool,
}
