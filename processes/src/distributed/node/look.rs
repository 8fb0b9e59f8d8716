//! What is to become of a message from the stream of calls.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::Message;
use tokio::time::timeout;

use super::super::task::Named;
use super::super::wire::{CallHead, CallId, News, Up, VERSION, Verdict, pack, unpack};
use super::run::{Desk, PAUSE};

/// When a call is offered again whose function this node does not know.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// When a call is offered again that has come to a node which is about to end.
const NOT_HERE_FOR: Duration = Duration::from_millis(50);

/// How long a client may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What is to become of a message.
pub(super) enum Look {
    /// Execute it.
    Go(Box<CallHead>, Named),
    /// Nothing more.
    Drop,
    /// Nothing: it is executed already.
    Known,
    /// It is to be offered again after this time.
    Later(Duration),
    /// It is to be kept for people, with the reason.
    Bury(String),
}

impl Desk {
    /// Decides what is to become of a message.
    pub(super) async fn look(&self, message: &Message) -> Look {
        let head = match unpack::<CallHead>(&message.payload) {
            Ok((head, _body)) if head.version == VERSION => head,
            Ok((head, _body)) => return Look::Bury(format!("it has version {}", head.version)),
            Err(why) => return Look::Bury(format!("it is malformed: {why}")),
        };
        if self.shelf.find(head.id).is_some() {
            // It was delivered again because word of it came late: the new message is the one to answer.
            let _known = self.shelf.take(head.id, message.clone());
            return Look::Known;
        }
        if self.shelf.is_withdrawn(head.id) || self.shelf.is_gone(head.id.client) {
            return Look::Drop;
        }
        if message.info().is_ok_and(|info| info.delivered > 1) {
            match self.ask(head.id).await {
                Ok(Verdict::Go) => {}
                Ok(Verdict::Drop) => return Look::Drop,
                Ok(Verdict::Poison) => return Look::Bury("it has lost its nodes".to_owned()),
                Err(look) => return look,
            }
        } else if self.shelf.is_quiet(head.id.client) {
            // Perhaps it is gone. When the call is delivered again, the client is asked.
            return Look::Later(2 * PAUSE);
        }
        if self.leave.is_told() {
            return Look::Later(NOT_HERE_FOR);
        }
        match self.registry.by_name(&head.name) {
            Some(named) if named.schema == head.schema => Look::Go(Box::new(head), named),
            known => {
                let what = if known.is_some() { "has other types here" } else { "is not known" };
                let why = format!("the function {} {what}", head.name);
                self.tell(head.id, News::Refused(why)).await;
                Look::Later(REFUSED_FOR)
            }
        }
    }

    /// Asks the client what is to become of a call that was delivered before.
    async fn ask(&self, id: CallId) -> Result<Verdict, Look> {
        let up = Up { node: self.name.clone(), number: id.number, news: News::Again };
        let asked = self.client.request(self.broker.names.client(id.client), pack(&up, &[]).into());
        match timeout(ANSWER, asked).await {
            Ok(Ok(answer)) => {
                self.shelf.is_there(id.client);
                let verdict = unpack::<Verdict>(&answer.payload);
                verdict.map(|(verdict, _)| verdict).map_err(|_| Look::Later(PAUSE))
            }
            Ok(Err(error))
                if error.kind() == RequestErrorKind::NoResponders
                    && self.shelf.is_silent(id.client) =>
            {
                Err(Look::Drop)
            }
            Ok(Err(_)) | Err(_) => Err(Look::Later(2 * PAUSE)),
        }
    }

    /// Keeps a message for people.
    pub(super) async fn bury(&self, message: &Message, why: &str) {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Reason", why);
        headers.insert("Node", self.name.as_str());
        let (subject, payload) = (self.broker.names.dead(), message.payload.clone());
        let kept = self.broker.jetstream.publish_with_headers(subject, headers, payload).await;
        if let Ok(kept) = kept {
            let (Ok(_) | Err(_)) = kept.await;
        }
    }
}
