//! What clients say to a node.

use std::rc::Rc;

use async_nats::{StatusCode, Subscriber};
use futures_lite::StreamExt;

use super::super::wire::{CallId, Confirm, Shout, unpack};
use super::held::Inside;
use super::run::Desk;

/// Takes in which results have arrived, and which clients are not there.
pub(super) async fn take_confirmations(desk: Rc<Desk>, mut messages: Subscriber) {
    while let Some(message) = messages.next().await {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let client = message.subject.rsplit('.').next();
            let client = client.and_then(|hex| u128::from_str_radix(hex, 16).ok());
            if let Some(client) = client
                && desk.shelf.is_silent(client)
            {
                desk.shelf.give_up(client);
            }
            continue;
        }
        let Ok((Confirm { client, numbers }, _)) = unpack::<Confirm>(&message.payload) else {
            continue;
        };
        desk.shelf.is_there(client);
        for number in numbers {
            if let Some(held) = desk.shelf.find(CallId { client, number }) {
                held.confirmed.notify_one();
            }
        }
    }
}

/// Does what clients say to all nodes.
pub(super) async fn obey(desk: Rc<Desk>, mut messages: Subscriber) {
    while let Some(message) = messages.next().await {
        let Ok((shout, _body)) = unpack::<Shout>(&message.payload) else { continue };
        match shout {
            Shout::Who => desk.say().await,
            Shout::Withdraw(id) => desk.withdraw(id, false),
            Shout::Kill(id) => desk.withdraw(id, true),
            Shout::Bye(client) => desk.shelf.is_leaving(client),
        }
    }
}

impl Desk {
    /// A client does not want a call to begin, or to go on.
    fn withdraw(&self, id: CallId, kill: bool) {
        self.shelf.withdraw(id);
        let Some(held) = self.shelf.find(id) else { return };
        match &*held.inside.borrow() {
            Some(Inside::One(ticket)) => {
                let engine = self.pool.engine();
                let _ended = engine.cancel(ticket) || kill && engine.kill(ticket);
            }
            Some(Inside::Items(harvest)) => {
                self.pool.engine().abandon(harvest);
                held.abandoned.notify_one();
            }
            None => {}
        }
    }
}
