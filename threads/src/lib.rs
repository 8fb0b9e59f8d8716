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
mod queue;
mod queue_error;

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
pub use queue::Queue;
pub use queue_error::{GetError, PutError};
pub use spawn::{init, spawn};
pub use stats::Stats;
pub use unordered::MapUnordered;
