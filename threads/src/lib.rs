#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod pool;

mod handle;
mod options;
mod spawn;

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

mod lock;
mod queue;
mod queue_error;

mod cell;
mod home;
mod job;
mod pools;
mod seats;
mod settings;
mod shared;
mod sleep;
mod waits;
mod worker;

mod deadline;
mod primitives;
mod unwind;

pub mod python;

pub use ahead::MapTimedOut;
pub use bound::{PoolFull, WhenFull};
pub use builder::{Builder, MAX_WORKERS};
pub use cancel::{CancelToken, Cancelled};
pub use completed::{AsCompleted, as_completed};
pub use error::{JoinError, Outcome, Payload};
pub use handle::JoinHandle;
pub use hook::{PanicOrigin, PanicReport};
pub use local::WorkerLocal;
pub use lock::{Guard, Lock};
pub use map::Map;
pub use options::{JobOptions, Priority};
pub use pool::Pool;
pub use queue::Queue;
pub use queue_error::{GetError, PutError};
pub use spawn::{init, spawn};
pub use stats::{Stats, Unrun};
pub use unordered::MapUnordered;
pub use wait::{WaitFor, wait};
pub use waiting::blocking;
