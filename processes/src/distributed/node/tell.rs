//! What a node says: to everybody that it is there, to clients about their calls, to the broker about
//! its messages.

use std::rc::Rc;
use std::time::Duration;

use async_nats::Subject;
use async_nats::connection::State as Connection;
use async_nats::jetstream::AckKind;
use tokio::time::{MissedTickBehavior, interval};

use super::super::wire::{CallId, Here, News, pack};
use super::held::Held;
use super::outbox::{Haste, Parcel};
use super::run::Desk;

/// How often a node says that it is there; three times in a lease, if that is more often.
const HERE_EVERY: Duration = Duration::from_secs(2);

/// Says from time to time that the node is there.
pub(super) async fn say_here(desk: Rc<Desk>) {
    let mut ticks = interval(HERE_EVERY.min(desk.lease / 3));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        desk.say().await;
        desk.look_for_clients();
    }
}

/// Keeps the calls that are here from being given to other nodes.
pub(super) async fn renew_leases(desk: Rc<Desk>) {
    let mut ticks = interval(desk.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (_id, held) in desk.shelf.all() {
            desk.answer(&held, AckKind::Progress).await;
        }
    }
}

impl Desk {
    /// Answers the broker about a call that is here.
    pub(super) async fn answer(&self, held: &Held, kind: AckKind) {
        let place = held.place.borrow().clone();
        self.reply(place, kind).await;
    }

    /// Answers the broker about a message, at this place. What is lost of that, the lease makes good.
    pub(super) async fn reply(&self, place: Subject, kind: AckKind) {
        let (Ok(()) | Err(_)) = self.client.publish(place, kind.into()).await;
    }

    /// Says how many workers this node has for more calls; none, when it is about to end, or they cannot be
    /// started.
    pub(super) async fn say(&self) {
        let leaves = self.leave.is_told() || self.failure.has_happened();
        let slots = if leaves || self.health.is_broken() { 0 } else { self.slots };
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let here = pack(&Here { node: self.name.clone(), slots }, &[]);
        let (Ok(()) | Err(_)) = self.client.publish(self.broker.names.here(), here.into()).await;
    }

    /// Asks clients that were not there something, so that it shows soon whether they are: each answer says so.
    fn look_for_clients(&self) {
        if self.client.connection_state() != Connection::Connected {
            return;
        }
        for client in self.shelf.quiet_clients() {
            // There is no such call, and nobody waits for what becomes of it.
            self.tell(
                CallId { client, number: u64::MAX },
                News::Again { ticket: u64::MAX, unbegun: None },
            );
        }
    }

    /// Says something about a call to its client.
    pub(super) fn tell(&self, id: CallId, news: News) {
        self.outbox.post(id.client, &Parcel::new(id.number, news, &[]), Haste::AtOnce);
    }
}
