//! Sends the calls of a client to the stream.

use std::rc::Rc;

use async_nats::jetstream::message::PublishMessage;
use tokio::time::sleep;

use super::super::broker::{Broker, argument_name};
use super::super::wire::pack;
use super::run::{Desk, PAUSE};

impl Desk {
    /// Sends a call, and tries until the broker has it or it has ended.
    pub(super) async fn publish(self: Rc<Self>, number: u64) {
        // When the call ends before its argument is stored, that has to be removed.
        let _removal = self.removal();
        let id = self.remote.call_id(number);
        let mut stored = false;
        loop {
            let (head, body, resent) = {
                let state = self.remote.lock();
                let Some(flight) = state.flights.get(&number) else { break };
                (flight.head(id), flight.body().to_vec(), flight.resent)
            };
            let sent = if head.stored.is_some() && !stored {
                let put = self.broker.put(&argument_name(id), &body).await;
                stored = put.is_ok();
                put.map(|()| None)
            } else {
                let body = if head.stored.is_some() { &[][..] } else { &body };
                self.send(&self.message_id(number, resent), pack(&head, body)).await.map(Some)
            };
            match sent {
                Ok(None) => {}
                Ok(Some(sequence)) => {
                    if let Some(flight) = self.remote.lock().flights.get_mut(&number) {
                        flight.sequence = Some(sequence);
                    }
                    return;
                }
                Err(_why) => {
                    sleep(PAUSE).await;
                    let _reopened = self.reopen().await;
                }
            }
        }
        // It has ended meanwhile.
        if stored {
            self.broker.forget(&argument_name(id)).await;
        }
    }

    /// Sends a message into the stream of calls. Returns where it is.
    async fn send(&self, id: &str, message: Vec<u8>) -> Result<u64, String> {
        let message = PublishMessage::build().payload(message.into()).message_id(id);
        let subject = self.broker.names.call();
        let text = |error: async_nats::jetstream::context::PublishError| error.to_string();
        let acknowledged =
            self.broker.jetstream.send_publish(subject, message).await.map_err(text)?;
        acknowledged.await.map(|ack| ack.sequence).map_err(text)
    }

    /// The name of a message.
    pub(super) fn message_id(&self, number: u64, resent: u32) -> String {
        format!("{}.{resent}", self.remote.call_id(number))
    }

    /// Makes again what a broker has lost. False when it has not worked.
    pub(super) async fn reopen(&self) -> bool {
        Broker::open(&self.client, &self.remote.cluster).await.is_ok()
    }
}
