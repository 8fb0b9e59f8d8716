//! Locks, channels, permits and notifications, between tasks and between tasks and threads.
//!
//! In all of them those who wait are served in the order in which they began to; a future that is
//! dropped early has taken nothing, and what was meant for it goes to the next.

mod event;
pub mod mpsc;
mod mutex;
mod notify;
pub mod oneshot;
mod semaphore;
pub(crate) mod waiters;
pub mod watch;

pub use event::{Event, EventWait};
pub use mutex::{Lock, Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use semaphore::{Acquire, Permit, Semaphore};
