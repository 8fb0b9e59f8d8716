//! Channels, permits and notifications, between tasks and between tasks and threads.

pub mod mpsc;
mod notify;
pub mod oneshot;
mod semaphore;
pub(crate) mod waiters;

pub use notify::{Notified, Notify};
pub use semaphore::{Acquire, Permit, Semaphore};
