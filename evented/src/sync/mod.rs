//! Channels between tasks, and between tasks and threads.

pub mod mpsc;
pub mod oneshot;
pub(crate) mod waiters;
