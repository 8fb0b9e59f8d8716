#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod builder;
mod pool;

mod handle;
mod options;
mod registry;
mod spawn;
mod thread;

mod fork;
mod slices;

mod ahead;
mod completed;
mod map;
mod unordered;
mod wait;

mod bound;
mod cancel;
mod hook;
mod local;
mod waiting;

mod error;
mod stats;

mod barrier;
mod condition;
mod condvar;
mod event;
mod latch;
mod lock;
mod reentrant;
mod semaphore;
mod timer;

#[doc = include_str!("../PYTHON.md")]
pub mod coming_from_python {}
#[expect(clippy::doc_markdown, reason = "what rayon said is quoted as it is")]
#[doc = include_str!("../RAYON.md")]
pub mod coming_from_rayon {}
pub mod reexports;

#[cfg(not(loom))] // Its model has a clock of its own.
mod queue;

mod cell;
mod detached;
mod home;
mod job;
mod nesting;
mod pools;
mod search;
mod seats;
mod settings;
mod shared;
mod sleep;
mod sweep;
mod waits;
mod worker;

mod deadline;
mod primitives;
mod unwind;

pub use ahead::MapTimedOut;
pub use barrier::{Barrier, BarrierError, MAX_PARTIES};
pub use bound::{PoolFull, WhenFull};
pub use builder::{Builder, MAX_WORKERS};
pub use cancel::CancelToken;
pub use completed::{AsCompleted, as_completed};
pub use condition::Condition;
pub use error::{Cancelled, JoinError, Outcome, Payload};
pub use event::Event;
pub use fork::{Scope, broadcast, join, scope};
pub use handle::JoinHandle;
pub use hook::{PanicOrigin, PanicReport};
pub use latch::Latch;
pub use local::WorkerLocal;
pub use lock::{Guard, Lock};
pub use map::Map;
pub use options::{JobOptions, Priority};
pub use pool::Pool;
#[cfg(not(loom))]
pub use queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue, TaskDoneError};
pub use reentrant::{ReentrantGuard, ReentrantLock};
pub use registry::ThreadInfo;
pub use semaphore::{BoundedSemaphore, MAX_PERMITS, OverReleaseError, Permit, Semaphore};
pub use settings::Waiting;
pub use slices::{
    Chunks, ChunksMut, Divide, Zip, chunks, chunks_mut, par_all, par_any, par_chunks_mut, par_find,
    par_find_any, par_for, par_map, par_map_reduce, par_scan, par_sort, par_sort_by,
    par_sort_by_key, par_sort_unstable, par_sort_unstable_by, par_sort_unstable_by_key,
    try_par_for, try_par_map, zip,
};
pub use spawn::{init, spawn};
pub use stats::{Stats, Unrun};
pub use thread::{Thread, ThreadBuilder, active_count, enumerate, join_all, join_all_timeout};
pub use timer::Timer;
pub use unordered::MapUnordered;
pub use wait::{WaitFor, wait};
pub use waiting::blocking;
