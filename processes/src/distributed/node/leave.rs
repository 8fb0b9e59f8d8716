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
    /// How it has ended, once it has: how many calls it has left to other nodes, or why it could not go on.
    end: OnceLock<Result<usize, String>>,
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

    /// It has ended like this.
    pub(super) fn ended(&self, end: Result<usize, String>) {
        // A node ends once.
        let (Ok(()) | Err(_)) = self.end.set(end);
    }

    /// How it has ended, when its thread has.
    pub(super) fn end(&self) -> Result<usize, String> {
        let panicked = || Err("its thread has panicked".to_owned());
        self.end.get().cloned().unwrap_or_else(panicked)
    }
}
