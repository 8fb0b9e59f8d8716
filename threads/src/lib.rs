#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod pool;

mod handle;
mod registry;
mod spawn;
mod thread;

mod completed;
mod map;
mod unordered;

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
pub mod python {}
pub mod reexports;

#[cfg(not(loom))] // Its model has a clock of its own.
mod queue;

mod home;
mod job;
mod shared;
mod sleep;
mod worker;

mod deadline;
mod primitives;
mod unwind;

pub use barrier::{Barrier, BarrierError, MAX_PARTIES};
pub use builder::{Builder, MAX_WORKERS};
pub use completed::{AsCompleted, as_completed};
pub use condition::Condition;
pub use error::{JoinError, Payload};
pub use event::Event;
pub use handle::JoinHandle;
pub use latch::Latch;
pub use lock::{Guard, Lock};
pub use map::Map;
pub use pool::{Pool, Unrun};
#[cfg(not(loom))]
pub use queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue, TaskDoneError};
pub use reentrant::{ReentrantGuard, ReentrantLock};
pub use registry::ThreadInfo;
pub use semaphore::{BoundedSemaphore, MAX_PERMITS, OverReleaseError, Permit, Semaphore};
pub use spawn::{init, spawn};
pub use stats::Stats;
pub use thread::{Thread, ThreadBuilder, active_count, enumerate, join_all, join_all_timeout};
pub use timer::Timer;
pub use unordered::MapUnordered;
