//! How a node comes by calls: it asks the broker while it has room.

use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use futures_lite::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::run::{Desk, PAUSE};

/// How long a request for calls stays with the broker. A broker that is lost has lost it without a word,
/// and nobody serves this node meanwhile.
const REQUEST: Duration = Duration::from_secs(2);

/// The same, of one for more calls than workers: by then it shows that they do not come as fast as they did.
/// Others that come later, and may take longer, are not to lie here.
const LARGE_REQUEST: Duration = Duration::from_millis(100);

/// Asks for calls while there is room.
pub(super) async fn fetch(desk: Rc<Desk>) {
    loop {
        let room = if desk.health.is_broken() { 0 } else { desk.shelf.room() };
        if room == 0 {
            desk.shelf.eased.notified().await;
            continue;
        }
        if desk.is_narrow() {
            // Results might not get through. Another broker may take its place, or this one be set right.
            sleep(PAUSE).await;
            continue;
        }
        let mut connections = desk.connections.clone();
        connections.mark_unchanged();
        let stays = if room > desk.slots { LARGE_REQUEST } else { REQUEST };
        let batch = desk.broker.consumer.batch().max_messages(room).expires(stays).messages();
        let Ok(Ok(batch)) = timeout(REQUEST + PAUSE, batch).await else {
            let (Ok(()) | Err(_)) = desk.broker.open_again(&desk.client, &desk.cluster).await;
            sleep(PAUSE).await;
            continue;
        };
        desk.shelf.requested.set(desk.shelf.requested.get() + room);
        let taken = Rc::clone(&desk).take_batch(batch, room, connections);
        let taken = desk.failure.watch("take in calls", taken);
        let mut batches = desk.batches.borrow_mut();
        batches.retain(|batch| !batch.is_finished());
        batches.push(taken);
    }
}

impl Desk {
    /// Takes in the calls that were asked for, so many at most.
    async fn take_batch(
        self: Rc<Self>,
        mut batch: pull::Batch,
        room: usize,
        mut connections: watch::Receiver<u64>,
    ) {
        let (mut left, mut failed) = (room, false);
        while left > 0 {
            let next = tokio::select! {
                next = timeout(REQUEST + PAUSE, batch.next()) => next,
                // The broker may know nothing of the request any more.
                _changed = connections.changed() => break,
            };
            match next {
                Ok(Some(Ok(message))) => {
                    left -= 1;
                    self.shelf.requested.set(self.shelf.requested.get() - 1);
                    let looked = Rc::clone(&self).look_after(self.hand(), message);
                    drop(self.failure.watch("look after a call", looked));
                }
                Ok(Some(Err(_why))) => {
                    failed = true;
                    break;
                }
                Ok(None) | Err(_) => break,
            }
        }
        if failed {
            // Perhaps the broker has lost the stream or the consumer.
            let (Ok(()) | Err(_)) = self.broker.open_again(&self.client, &self.cluster).await;
            sleep(PAUSE).await;
        }
        self.shelf.requested.set(self.shelf.requested.get() - left);
        self.shelf.eased.notify_one();
    }
}
