//! Sends the calls of a client to the stream, and long arguments to the store.

use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::jetstream::message::PublishMessage;
use tokio::time::sleep;

use crate::error::Side;

use super::super::broker::argument_name;
use super::super::store::{Full, Unstored, no_room};
use super::super::wire::{CallHead, pack};
use super::Remote;
use super::body::Body;
use super::run::{Desk, PAUSE};

/// What is sent of a call.
struct Dispatch {
    /// The head of its message.
    head: CallHead,
    /// Its argument.
    body: Body,
    /// How often it was sent because the broker had lost it.
    resent: u32,
}

impl Desk {
    /// Sends a call, and tries until the broker has it or it has ended, also by having no room for its argument
    /// for too long. Each call has such a task: what is seldom done lies elsewhere, for it would make all of them
    /// large.
    pub(super) async fn publish(self: Rc<Self>, number: u64) {
        let mut stored = false;
        loop {
            let Some(Dispatch { head, body, resent }) = self.remote.dispatch(number) else {
                return;
            };
            let sent = if head.stored.is_some() && !stored {
                let put = Box::pin(self.store_argument(number)).await;
                stored = put.is_ok();
                put.map(|()| None)
            } else {
                let body = if stored { &[][..] } else { body.bytes() };
                let sent = self.send(&self.message_id(number, resent), pack(&head, body)).await;
                sent.map(Some).map_err(Unstored::Other)
            };
            match sent {
                Ok(None) => {}
                Ok(Some(sequence)) => return self.remote.is_sent(number, resent, sequence),
                Err(why) => {
                    if self.remote.is_not_sent(number, &why, self.broker.lease()) {
                        return;
                    }
                    sleep(PAUSE).await;
                    let _reopened = Box::pin(self.reopen()).await;
                }
            }
        }
    }

    /// Puts the argument of a call into the store, also again.
    ///
    /// # Errors
    /// What the broker said.
    pub(super) async fn store_argument(self: &Rc<Self>, number: u64) -> Result<(), Unstored> {
        // When the call ends before that is done, it has to be removed.
        let _removal = self.removal();
        let Some(Dispatch { body, .. }) = self.remote.dispatch(number) else { return Ok(()) };
        let (name, begun) = (argument_name(self.remote.call_id(number)), Instant::now());
        self.broker.store.put(&name, body.bytes()).await?;
        if !self.remote.is_put(number, begun) {
            self.broker.store.forget(&name).await;
        }
        Ok(())
    }

    /// Sends a message into the stream of calls. Returns where it is.
    async fn send(&self, id: &str, message: Vec<u8>) -> Result<u64, String> {
        let message = PublishMessage::build().payload(message.into()).message_id(id);
        let subject = self.broker.call.clone();
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
        self.broker.open_again(&self.client, &self.remote.cluster).await.is_ok()
    }
}

impl Remote {
    /// What is to be sent of a call; none: it has ended.
    fn dispatch(&self, number: u64) -> Option<Dispatch> {
        let state = self.lock();
        let flight = state.flights.get(&number)?;
        let (head, body) = (flight.head(self.call_id(number)), flight.body.clone());
        Some(Dispatch { head, body, resent: flight.resent })
    }

    /// A message of a call is in the stream, here; it is not told of one that was sent before the last one.
    fn is_sent(&self, number: u64, resent: u32, sequence: u64) {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number);
        if let Some(flight) = flight.filter(|flight| flight.resent == resent) {
            flight.sequence = Some(sequence);
        }
    }

    /// A call was not sent, or its argument not stored, for this reason. True: the call has ended, because there
    /// has been no room for its argument for long. One that a node has, or whose result is being fetched, does not
    /// need it any more.
    pub(super) fn is_not_sent(&self, number: u64, why: &Unstored, lease: Duration) -> bool {
        let mut state = self.lock();
        let is_held = state.is_held(number, lease);
        let Some(flight) = state.flights.get_mut(&number) else { return true };
        let (gone_after, is_needed) = (self.cluster.gone_after, !is_held && !flight.fetching);
        if !flight.full.is_final(why, gone_after) || !is_needed {
            return false;
        }
        let error = no_room(Side::Parent, flight.body.len(), why, gone_after);
        self.end(state, number, error);
        true
    }

    /// The argument of a call is in the store since then. False: the call has ended.
    fn is_put(&self, number: u64, since: Instant) -> bool {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number);
        flight.map(|flight| (flight.put, flight.full) = (Some(since), Full::default())).is_some()
    }
}
