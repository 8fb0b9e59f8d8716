//! A call on a node, from its message to the acknowledgement.

use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{AckKind, Message};
use tokio::time::timeout;

use crate::error::{JoinError, Side};

use super::super::broker::{argument_name, result_name};
use super::super::task::Named;
use super::super::wire::{CallHead, CallId, MAX_INLINE, News, Report, Up, pack, unpack};
use super::execute::{local_call, outcome};
use super::held::Held;
use super::look::Look;
use super::run::{Desk, PAUSE};
use super::tell::{answer, reply};

/// How long a result is kept before it is sent again.
const RESEND: Duration = Duration::from_secs(3);

impl Desk {
    /// Looks after a message until it is acknowledged or given back.
    pub(super) async fn look_after(self: Rc<Self>, message: Message) {
        let (call, named, body) = match self.look(&message).await {
            Look::Go(head, named) => {
                let body = unpack::<CallHead>(&message.payload).map_or(&[][..], |(_, body)| body);
                (head, named, body.to_vec())
            }
            Look::Drop => return self.finish_message(&message, AckKind::Term).await,
            Look::Known => return self.finish_message(&message, AckKind::Progress).await,
            Look::Later(pause) => {
                return self.finish_message(&message, AckKind::Nak(Some(pause))).await;
            }
            Look::Bury(why) => {
                self.bury(&message, &why).await;
                return self.finish_message(&message, AckKind::Term).await;
            }
        };
        let Some(held) = self.shelf.take(call.id, message) else { return };
        self.shelf.busy.set(self.shelf.busy.get() + 1);
        let begun = Instant::now();
        let result = self.execute(&held, &call, named, body).await;
        self.shelf.learn(begun.elapsed(), self.shelf.busy.get(), self.slots);
        self.shelf.busy.set(self.shelf.busy.get() - 1);
        self.room.notify_one();
        match result {
            Some((report, body)) => {
                self.deliver(&held, call.id, report, body).await;
                answer(&held, AckKind::Ack).await;
            }
            None => answer(&held, AckKind::Nak(Some(PAUSE))).await,
        }
        self.shelf.drop_call(call.id);
        self.room.notify_one();
    }

    /// Answers the broker about a message that is not executed here.
    async fn finish_message(&self, message: &Message, kind: AckKind) {
        reply(message, kind).await;
        self.room.notify_one();
    }

    /// Executes a call. None: it is to be offered again.
    async fn execute(
        &self,
        held: &Held,
        call: &CallHead,
        named: Named,
        mut body: Vec<u8>,
    ) -> Option<(Report, Vec<u8>)> {
        if let Some(length) = call.stored {
            let limit = self.cluster.max_payload;
            if usize::try_from(length).map_or(true, |length| length > limit) {
                let size = usize::try_from(length).unwrap_or(usize::MAX);
                return Some(failed(JoinError::TooLarge { side: Side::Worker, size, limit }));
            }
            body = self.broker.get(&argument_name(call.id), length).await.ok()?;
        }
        self.tell(call.id, News::Begun).await;
        if self.shelf.is_withdrawn(call.id) {
            return Some(failed(JoinError::Cancelled));
        }
        let engine = self.pool.engine();
        let (local, inside) = match local_call(&**engine, call, named, body) {
            Ok(both) => both,
            Err(error) => return Some(failed(error)),
        };
        *held.inside.borrow_mut() = Some(inside.clone());
        engine.submit(local);
        tokio::select! {
            done = outcome(&inside, call.items.unwrap_or(1)) => Some(done),
            () = held.abandoned.notified() => Some(failed(JoinError::Cancelled)),
        }
    }

    /// Sends a result until the client has it, or is gone.
    async fn deliver(&self, held: &Held, id: CallId, report: Report, mut body: Vec<u8>) {
        let mut stored = None;
        while body.len() > MAX_INLINE {
            if self.broker.put(&result_name(id, &self.name), &body).await.is_ok() {
                stored = Some(body.len() as u64);
                body = Vec::new();
            } else if timeout(PAUSE, held.confirmed.notified()).await.is_ok() {
                return;
            }
        }
        let news = News::Done { report, stored };
        let up = Up { node: self.name.clone(), number: id.number, news };
        let message = pack(&up, &body);
        let client = self.broker.names.client(id.client);
        let back = self.broker.names.node(self.id, id.client);
        loop {
            let sent = self.client.publish_with_reply(
                client.clone(),
                back.clone(),
                message.clone().into(),
            );
            let (Ok(()) | Err(_)) = sent.await;
            if timeout(RESEND, held.confirmed.notified()).await.is_ok() {
                return;
            }
        }
    }
}

/// The report of a call that has failed like this.
fn failed(error: JoinError) -> (Report, Vec<u8>) {
    (Report::One(Err(error)), Vec::new())
}
