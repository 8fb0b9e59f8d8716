#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod pool;

mod handle;
mod spawn;

mod completed;
mod map;
mod unordered;

mod error;
mod stats;

mod lock;
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

pub use builder::{Builder, MAX_WORKERS};
pub use completed::{AsCompleted, as_completed};
pub use error::{JoinError, Payload};
pub use handle::JoinHandle;
pub use lock::{Guard, Lock};
pub use map::Map;
pub use pool::{Pool, Unrun};
#[cfg(not(loom))]
pub use queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue, TaskDoneError};
pub use spawn::{init, spawn};
pub use stats::Stats;
pub use unordered::MapUnordered;
