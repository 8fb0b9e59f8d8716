//! Tasks: spawned futures.

pub(crate) mod body;
mod error;
mod group;
mod join;
mod options;
mod race;
mod shield;
mod soon;
mod yielding;

pub use error::{JoinError, Panic};
pub use group::{TaskGroup, join_all};
pub(crate) use join::STANDS_STILL;
pub use join::{Task, set_deadline, spawn, spawn_with};
pub use options::Spawn;
pub use race::race;
pub use shield::{Shield, shield};
pub use soon::{Soon, call_soon};
pub use yielding::{Cooperate, YieldIfNeeded, YieldNow, cooperate, yield_if_needed, yield_now};
