//! What becomes of a client whose thread fails: nobody else would resolve its calls.
//!
//! Everything that the thread does is a task of its own, or its main one. A panic of any of them is a
//! defect of this crate, or of one that it uses, after which nobody knows what was left undone. So the
//! client is given up: all handles resolve with the reason, new calls are refused with it, and the pool
//! counts as closed and ended. Other tasks go on until the main one has seen that.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use futures_lite::FutureExt;
use tokio::task::{JoinHandle, spawn_local};

use crate::error::JoinError;
use crate::unwind;

use super::run::Desk;
use super::{Closing, Remote};

/// Runs to the end of a future, or to its panic, with which the client is given up.
pub(super) async fn watched(remote: Arc<Remote>, what: &str, future: impl Future<Output = ()>) {
    if let Err(payload) = AssertUnwindSafe(future).catch_unwind().await {
        remote.give_up(&format!("{what} has panicked: {}", text_of(&*payload)));
        unwind::discard(payload);
    }
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

impl Desk {
    /// Starts something that ends by itself, and for which nobody waits.
    pub(super) fn spawn(
        self: &Rc<Self>,
        what: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<()> {
        spawn_local(watched(Arc::clone(&self.remote), what, future))
    }

    /// Starts something that goes on as long as the client: without it, calls would not resolve.
    pub(super) fn stand(
        self: &Rc<Self>,
        what: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<()> {
        let remote = Arc::clone(&self.remote);
        self.spawn(what, async move {
            future.await;
            remote.give_up(&format!("{what} has ended: the connection was given up"));
        })
    }
}

impl Remote {
    /// Ends all calls, those that come included: this client has failed. Only the first reason counts.
    pub(super) fn give_up(&self, why: &str) {
        let reason = {
            let mut state = self.lock();
            if state.broken.is_some() {
                return;
            }
            let reason = format!("the client of the cluster has failed: {why}");
            state.broken = Some(reason.clone());
            state.closing = Some(Closing::Now { until: Instant::now() });
            reason
        };
        self.end_all(|_flight| JoinError::NodeLost { reason: reason.clone() });
        self.work.notify_one();
    }

    /// The thread ends: nothing is queued or under way, nor will it be.
    pub(super) fn finish(&self) {
        let trays = {
            let mut state = self.lock();
            state.ended = true;
            std::mem::take(&mut state.trays)
        };
        self.changed.notify_all();
        for tray in trays.into_iter().filter_map(|tray| tray.upgrade()) {
            self.clear(&tray);
        }
    }
}
