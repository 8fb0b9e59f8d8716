//! What is to become of a message from the stream of calls.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::{Request, RequestErrorKind, Subject};
use tokio::time::timeout;

use super::super::refusal::Refusal;
use super::super::task::Named;
use super::super::wire::{CallHead, CallId, News, VERSION, Verdict, unpack, version_of};
use super::held::First;
use super::outbox::Heard;
use super::run::{Desk, PAUSE};

/// When a call is offered again whose function this node does not know.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// When a call is offered again that has come to a node which is about to end.
const NOT_HERE_FOR: Duration = Duration::from_millis(50);

/// How long a client may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// When the broker has not said for so long that a client is not there, it is: it does not answer a refusal.
const SILENCE: Duration = Duration::from_millis(300);

/// What is to become of a message.
pub(super) enum Look {
    /// Execute it, with this argument or these items, if they are not in the store.
    Go(Box<CallHead>, Named, Vec<u8>),
    /// Nothing more; the argument of this call, if it is in the store, is not needed either.
    Drop(Option<CallId>),
    /// Nothing: it is executed already.
    Known,
    /// It is to be offered again after this time.
    Later(Duration),
    /// It is to be kept for people, with the reason.
    Bury(String),
}

/// Why there is no answer of a client.
pub(super) enum Unanswered {
    /// It is gone, also now.
    Gone,
    /// Nobody knows.
    Not,
}

impl Desk {
    /// Offers a call to nodes of its own version, as long as its client may be there. Its head cannot be read
    /// here, but the name of its message; and its client cannot read the letters of this node, but a [`Refusal`].
    async fn refuse_version(&self, message: &Message) -> Look {
        let headers = message.headers.as_ref();
        let name = headers.and_then(|headers| headers.get("Nats-Msg-Id"));
        let Some(id) = name.and_then(|name| CallId::of_message(name.as_str())) else {
            return Look::Bury("it has no name of a call".to_owned());
        };
        let is_gone = self.shelf.is_gone(id.client);
        let why = format!("it speaks version {VERSION} of the protocol, the client another one");
        let to = self.broker.names.client(id.client);
        let back = self.broker.names.node(self.id, id.client);
        let (headers, text) = Refusal { id, node: self.name.clone(), why }.message();
        if is_gone {
            // It may have come back, of which this node hears nothing else: it is never answered.
            let request =
                Request::new().headers(headers).payload(text.into()).timeout(Some(SILENCE));
            let said = self.client.send_request(to, request).await;
            if said.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders) {
                self.shelf.is_not_there(id.client);
                return Look::Drop(None);
            }
            self.shelf.is_there(id.client);
            return Look::Later(REFUSED_FOR);
        }
        // What is lost is said again when the call is offered again. When nobody is there, the broker says so.
        let said = self.client.publish_with_reply_and_headers(to, back, headers, text.into());
        let (Ok(()) | Err(_)) = said.await;
        Look::Later(REFUSED_FOR)
    }

    /// Decides what is to become of a message, which was delivered so often and is to be answered there.
    pub(super) async fn look(&self, message: &Message, delivered: u64, place: &Subject) -> Look {
        if self.failure.has_happened() {
            // Also what was here, and is given back.
            return Look::Later(NOT_HERE_FOR);
        }
        if version_of(&message.payload) != Some(VERSION) {
            return self.refuse_version(message).await;
        }
        let (head, body) = match unpack::<CallHead>(&message.payload) {
            Ok(both) => both,
            Err(why) => return Look::Bury(format!("it is malformed: {why}")),
        };
        if self.shelf.find(head.id).is_some() {
            // It was delivered again because word of it came late: the new message is the one to answer.
            let _known = self.shelf.take(head.id, place.clone());
            return Look::Known;
        }
        let stored = head.stored.is_some().then_some(head.id);
        match self.shelf.first(head.id, delivered) {
            First::Drop => return Look::Drop(stored),
            First::Later => return Look::Later(2 * PAUSE),
            First::Ask => match self.ask_again(head.id).await {
                Ok(Verdict::Go) => {}
                Ok(Verdict::Wait) => return Look::Later(PAUSE),
                Ok(Verdict::Drop) | Err(Unanswered::Gone) => return Look::Drop(stored),
                Ok(Verdict::Poison) => return Look::Bury("it has lost its nodes".to_owned()),
                Err(Unanswered::Not) => return Look::Later(2 * PAUSE),
            },
            First::Begin => {}
        }
        if self.leave.is_told() {
            return Look::Later(NOT_HERE_FOR);
        }
        match self.registry.by_name(&head.name) {
            Some(named) if named.schema == head.schema => {
                Look::Go(Box::new(head), named, body.to_vec())
            }
            known => {
                let what = if known.is_some() { "has other types here" } else { "is not known" };
                let why = format!("the function {} {what}", head.name);
                self.tell(head.id, News::Refused(why));
                Look::Later(REFUSED_FOR)
            }
        }
    }

    /// Asks the client about a call that was delivered again.
    async fn ask_again(&self, id: CallId) -> Result<Verdict, Unanswered> {
        let unbegun = self.outbox.unbegun.of(id);
        self.ask(id, |ticket| News::Again { ticket, unbegun }).await
    }

    /// Asks the client about a call, what `question` makes of a ticket.
    pub(super) async fn ask(
        &self,
        id: CallId,
        question: impl FnOnce(u64) -> News,
    ) -> Result<Verdict, Unanswered> {
        let mut ticket = self.outbox.ask(id.client, id.number, question);
        match timeout(ANSWER, &mut ticket.answer).await {
            Ok(Ok(Heard::Said(verdict))) => Ok(verdict),
            Ok(Ok(Heard::Nobody)) if self.shelf.is_gone(id.client) => Err(Unanswered::Gone),
            Ok(Ok(Heard::Nobody) | Err(_)) => Err(Unanswered::Not),
            Err(_late) => {
                self.shelf.has_not_answered(id.client);
                Err(Unanswered::Not)
            }
        }
    }
}
