//! Tasks: spawned futures.

pub(crate) mod body;
mod error;
mod group;
mod join;
mod options;
mod yielding;

pub use error::{JoinError, Panic};
pub use group::{TaskGroup, join_all};
pub(crate) use join::STANDS_STILL;
pub use join::{Task, call_soon, set_deadline, spawn, spawn_with};
pub use options::Spawn;
pub use yielding::{YieldNow, yield_now};
