//! How a node is told to end, and what it says about it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// What a node, and whoever tells it to end, share.
#[derive(Debug, Default)]
pub(super) struct Leave {
    /// Whether it was told. Set before it is waked.
    told: AtomicBool,
    /// Wakes it.
    wake: Notify,
    /// How many calls it has left to other nodes, once it has ended in good order.
    left: OnceLock<usize>,
}

impl Leave {
    /// Tells the node to end; again, it changes nothing.
    pub(super) fn tell(&self) {
        self.told.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether it was told.
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// Waits until it is told; for one that waits.
    pub(super) async fn told(&self) {
        self.wake.notified().await;
    }

    /// It has ended, and left so many calls.
    pub(super) fn ended(&self, left: usize) {
        // A node ends once.
        let (Ok(()) | Err(_)) = self.left.set(left);
    }

    /// How many calls it has left; none: it has not ended, or not in good order.
    pub(super) fn left(&self) -> Option<usize> {
        self.left.get().copied()
    }
}
