//! What clients say to a node.

use std::rc::Rc;

use async_nats::{StatusCode, Subscriber};
use futures_lite::StreamExt;

use super::super::wire::{Answers, CallId, News, Shout, unpack};
use super::run::Desk;

/// Takes in what clients answer, and which of them are not there.
pub(super) async fn take_answers(desk: Rc<Desk>, mut messages: Subscriber) {
    while let Some(message) = messages.next().await {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let client = message.subject.rsplit('.').next();
            let client = client.and_then(|hex| u128::from_str_radix(hex, 16).ok());
            if let Some(client) = client {
                desk.shelf.is_not_there(client);
                desk.outbox.nobody(client);
            }
            continue;
        }
        let Ok((answers, _)) = unpack::<Answers>(&message.payload) else { continue };
        let Answers { client, verdicts, confirmed } = answers;
        desk.shelf.is_there(client);
        for (ticket, verdict) in verdicts {
            desk.outbox.answered(client, ticket, verdict);
        }
        for number in confirmed {
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
            Shout::Have(id, node) if node == desk.name => desk.say_if_not_here(id),
            Shout::Have(..) => {}
            Shout::Withdraw(id) => desk.withdraw(id, false),
            Shout::Kill(id) => desk.withdraw(id, true),
            Shout::Bye(client) => desk.shelf.is_leaving(client),
        }
    }
}

impl Desk {
    /// A client asks whether a call is here.
    fn say_if_not_here(&self, id: CallId) {
        if self.shelf.find(id).is_none() {
            self.tell(id, News::NotHere { unbegun: self.outbox.unbegun.of(id) });
        }
    }

    /// A client does not want a call to begin, or to go on.
    fn withdraw(&self, id: CallId, kill: bool) {
        self.shelf.withdraw(id);
        let Some(held) = self.shelf.find(id) else { return };
        if let Some(inside) = &*held.inside.borrow() {
            self.stop(inside, kill);
        }
    }
}
