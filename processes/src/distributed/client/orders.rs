//! What user threads ask of the thread of a client.

use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::clock;
use crate::engine::Engine;
use crate::tray::{Look, STALE, Tray};

use super::super::wire::{CallId, Shout};
use super::flight::Withdrawn;
use super::run::Desk;
use super::{Command, Remote};

/// How long a withdrawn call is given to say that it was begun nevertheless.
const WITHDRAWAL: Duration = Duration::from_secs(2);

/// Does what user threads ask for.
pub(super) async fn follow_orders(desk: Rc<Desk>, mut orders: UnboundedReceiver<Command>) {
    while let Some(order) = orders.recv().await {
        match order {
            Command::Withdraw(number) => {
                desk.spawn("a withdrawal", Rc::clone(&desk).withdraw(number, Shout::Withdraw));
            }
            Command::Kill(number) => {
                desk.spawn("a withdrawal", Rc::clone(&desk).withdraw(number, Shout::Kill));
            }
            Command::Attend(tray) => {
                let tray = Arc::downgrade(&tray);
                desk.spawn("what looks at a map", attend(Arc::clone(&desk.remote), tray));
            }
            #[cfg(test)]
            Command::Panic => panic!("planted"),
        }
    }
}

/// Sends what gets stale in a tray, until that is empty.
async fn attend(remote: Arc<Remote>, tray: Weak<Tray>) {
    loop {
        let pause = match tray.upgrade().map(|tray| tray.look(clock::now_ns())) {
            None | Some(Look::Empty) => return,
            Some(Look::Fresh(due_ns)) => {
                Duration::from_nanos(due_ns.saturating_sub(clock::now_ns()))
            }
            Some(Look::Stale(call)) => {
                remote.submit(call);
                STALE
            }
        };
        sleep(pause.max(Duration::from_millis(1))).await;
    }
}

impl Desk {
    /// Withdraws a call that is under way from nodes that have not begun it, with this word, and out of
    /// the stream.
    ///
    /// Of a map whose results are read, as when the pool is stopped at once, items that a node has begun
    /// go on there: they end with what comes of them, or with the grace of the cluster.
    ///
    /// One that a node has stays in the stream until the node has ended it: without its message the call
    /// would look as if the broker had lost it, and not go to another node when that one is lost.
    async fn withdraw(self: Rc<Self>, number: u64, shout: fn(CallId) -> Shout) {
        let Some(Withdrawn { word, again }) = self.remote.withdraw(number, shout) else { return };
        if let Some(word) = word {
            self.shout(word).await;
        }
        if again {
            // The first time, it is looked after until it has ended.
            return;
        }
        let mut is_out = self.take_out(number).await;
        loop {
            sleep(WITHDRAWAL).await;
            if !is_out {
                is_out = self.take_out(number).await;
            }
            if self.remote.end_withdrawn(number, self.broker.lease()) {
                return;
            }
        }
    }

    /// Takes a call out of the stream that no node has. False if it is not known where it is: the broker
    /// has not answered yet.
    async fn take_out(&self, number: u64) -> bool {
        let sequence = {
            let state = self.remote.lock();
            match state.flights.get(&number).filter(|flight| !flight.is_begun()) {
                Some(flight) => flight.sequence,
                None => return true,
            }
        };
        let Some(sequence) = sequence else { return false };
        // When it is gone, it has ended, or a node is about to say so.
        let (Ok(_) | Err(_)) = self.broker.calls.delete_message(sequence).await;
        true
    }
}
