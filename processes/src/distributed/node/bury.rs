//! Poison, and what is no call: kept for people.

use std::fmt::Write as _;

use async_nats::Subject;
use async_nats::jetstream::{AckKind, Message};
use tokio::time::sleep;

use super::run::{Desk, PAUSE};

/// The header with the name that its client has given to a message, by which the broker knows it.
const ID: &str = "Nats-Msg-Id";

/// How often a message is tried to be kept. Each time, the broker may take 5 s to say nothing.
const BURIALS: usize = 5;

impl Desk {
    /// Keeps a message for people, which is to be answered there.
    ///
    /// A broker that does not take it may do so soon; perhaps it has lost the stream, which is made again.
    /// When all that is in vain, the message is lost, and that is said: nobody executes it, and it must not
    /// come back for ever.
    ///
    /// Until then other nodes do not get it.
    pub(super) async fn bury(&self, message: &Message, place: &Subject, why: &str) {
        let renewed = async {
            loop {
                sleep(self.lease / 3).await;
                self.reply(place.clone(), AckKind::Progress).await;
            }
        };
        tokio::select! {
            () = self.bury_at_last(message, why) => {}
            never = renewed => match never {},
        }
    }

    /// The same, without keeping others from it.
    async fn bury_at_last(&self, message: &Message, why: &str) {
        let mut said = self.try_to_bury(message, why).await;
        for _ in 1..BURIALS {
            if said.is_ok() {
                return;
            }
            sleep(PAUSE).await;
            let (Ok(()) | Err(_)) = self.broker.open_again(&self.client, &self.cluster).await;
            said = self.try_to_bury(message, why).await;
        }
        if let Err(refusal) = said {
            let (name, stream) = (name_of(message), self.broker.names.dead());
            self.cluster.say(&format!(
                "the call {name} is given up ({why}) and cannot be kept in {stream}: {refusal}"
            ));
        }
    }

    /// The same, once.
    ///
    /// # Errors
    /// What the broker said.
    async fn try_to_bury(&self, message: &Message, why: &str) -> Result<(), String> {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Reason", why);
        headers.insert("Node", self.name.as_str());
        // What two nodes bury, or one whose broker has not answered in time, is kept once.
        let known = message.headers.as_ref().and_then(|known| known.get(ID));
        if let Some(id) = known {
            headers.insert(ID, id.as_str());
        }
        let (subject, payload) = (self.broker.names.dead(), message.payload.clone());
        let text = |error: async_nats::jetstream::context::PublishError| error.to_string();
        let kept = self.broker.jetstream.publish_with_headers(subject, headers, payload).await;
        kept.map_err(text)?.await.map(|_place| ()).map_err(text)
    }
}

/// How people may find out which call a message is: the name that its client has given it, and where it was.
fn name_of(message: &Message) -> String {
    let headers = message.headers.as_ref();
    let id = headers.and_then(|headers| headers.get(ID));
    let mut name = id.map_or("without a name", |id| id.as_str()).to_owned();
    if let Ok(info) = message.info() {
        let (Ok(()) | Err(_)) =
            write!(name, ", message {} of {}", info.stream_sequence, info.stream);
    }
    name
}
