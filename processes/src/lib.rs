#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "processes needs Linux: it stands on process descriptors, memfds and robust futexes"
);

mod pool;
mod handle;
mod map;
mod completed;
mod spawn;
mod queue;
mod lock;
mod error;

mod core;
mod worker;

mod ticket;
mod call;
mod frame;
mod board;
mod control;
mod codec;
mod scope;
mod segment;
mod ring;
mod robust;
mod image;
mod clock;

pub use completed::{AsCompleted, as_completed};
pub use error::{GetError, JoinError, NotInitialised, PutError, Side};
pub use handle::JoinHandle;
pub use lock::{Guard, Lock, Shared};
pub use map::{Map, MapUnordered};
pub use pool::{Builder, DEFAULT_MAX_PAYLOAD, MAX_WORKERS, Pool, Stats, Unrun};
pub use queue::Queue;
pub use spawn::spawn;
pub use worker::{MAX_DEPTH, init};
