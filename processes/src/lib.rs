#![doc = include_str!("../README.md")]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "processes needs Linux: it stands on process descriptors, memfds and robust futexes"
);

mod broadcast;
mod buffer;
mod builder;
mod callbacks;
mod completed;
mod error;
mod handle;
mod map;
mod options;
mod pool;
mod process;
mod spawn;
mod stats;
mod wait;

mod actor;
mod array;
mod atomics;
mod barrier;
mod channel;
mod condition;
mod event;
mod frozen;
mod lock;
mod queue;
mod select;
mod semaphore;

mod core;
mod worker;

#[cfg(feature = "distributed")]
pub mod distributed;

mod arena;
mod board;
mod call;
#[cfg(test)]
mod chaos;
mod clock;
mod codec;
mod confines;
mod control;
mod doorbell;
mod engine;
mod exit;
mod fault;
mod feed;
mod forks;
mod frame;
#[cfg(test)]
mod fuzz;
mod gather;
mod harvest;
mod holders;
mod image;
#[cfg(feature = "interrupt")]
mod interrupt;
mod items;
mod life;
mod monitor;
mod pace;
mod permits;
mod results;
mod ring;
mod robust;
mod scope;
mod segment;
mod setup;
mod shortage;
mod target;
mod ticket;
mod tray;
mod unwind;
mod zeros;

/// Programs that execute the calls of others; see [`distributed`].
#[cfg(feature = "distributed")]
pub mod node {
    pub use crate::distributed::node::{Node, main, main_with, serve};
}

#[doc = include_str!("../PYTHON.md")]
pub mod python {}

pub use actor::{ActorBuilder, ActorRef, MAX_CALLERS, MAX_MESSAGE, spawn_actor};
pub use array::{FreezeError, SharedArray, SharedMem};
pub use atomics::{Atomic, SharedAtomics};
pub use barrier::{Barrier, BarrierError, MAX_PARTIES};
pub use broadcast::Broadcast;
pub use buffer::{Buffer, BufferMut};
pub use builder::{
    Builder, DEFAULT_ARENA, DEFAULT_MAX_PAYLOAD, MAX_ARENA, MAX_STDERR, MAX_WORKERS,
};
pub use channel::{MAX_HOLDERS, Receiver, Sender, channel, channel_with_bytes};
pub use completed::{AsCompleted, as_completed};
pub use condition::Condition;
pub use confines::Limit;
#[cfg(feature = "distributed")]
pub use distributed::{Cluster, NodeStats};
pub use error::{
    ActorError, GetError, JoinError, NotInitialised, Outcome, PutError, RecvError, SendError, Side,
};
pub use event::Event;
pub use frozen::Frozen;
pub use handle::JoinHandle;
pub use lock::{Guard, Lock, Shared};
pub use map::{Map, MapTimedOut, MapUnordered};
pub use options::CallOptions;
pub use permits::MAX_PERMITS;
pub use pool::Pool;
pub use process::{Process, ProcessBuilder};
pub use queue::Queue;
pub use select::Select;
pub use semaphore::{BoundedSemaphore, OverReleaseError, Permit, Semaphore};
pub use spawn::spawn;
pub use stats::{Stats, Unrun};
pub use wait::{WaitFor, wait};
pub use worker::{MAX_DEPTH, init};
