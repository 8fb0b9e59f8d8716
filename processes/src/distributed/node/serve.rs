//! A call on a node, from its message to the acknowledgement.

use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use tokio::time::timeout;

use crate::error::{JoinError, Side};

use super::super::broker::{argument_name, result_name};
use super::super::task::Named;
use super::super::wire::{CallHead, CallId, MAX_INLINE, News, Report, Up, Verdict, pack, unpack};
use super::execute::{local_call, outcome};
use super::held::Held;
use super::look::{Look, Unanswered};
use super::run::{Desk, PAUSE};
use super::tell::{answer, reply};

/// How long a result is kept before it is sent again.
const RESEND: Duration = Duration::from_secs(3);

/// How a call has ended.
struct Done {
    /// How.
    report: Report,
    /// How long workers were busy with it.
    busy: Duration,
    /// The values.
    body: Vec<u8>,
}

/// How often a client that does not answer is asked whether a call may begin.
const QUESTIONS: usize = 2;

impl Desk {
    /// Looks after a message until it is acknowledged or given back.
    pub(super) async fn look_after(self: Rc<Self>, message: Message) {
        let (call, named, body) = match self.look(&message).await {
            Look::Go(head, named) => {
                let body = unpack::<CallHead>(&message.payload).map_or(&[][..], |(_, body)| body);
                (head, named, body.to_vec())
            }
            Look::Drop(stored) => {
                self.finish_message(&message, AckKind::Term).await;
                if let Some(id) = stored {
                    self.broker.forget(&argument_name(id)).await;
                }
                return;
            }
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
        let begun = self.shelf.shares.begin();
        let result = self.execute(&held, &call, named, body).await;
        let busy = self.shelf.shares.end(begun);
        self.shelf.learn(busy);
        self.room.notify_one();
        match result {
            Some((report, body)) => {
                let done = Done { report, busy, body };
                let stored = self.deliver(&held, call.id, done).await;
                answer(&held, AckKind::Ack).await;
                if self.shelf.is_gone(call.id.client) {
                    self.clear(&call, stored).await;
                }
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
        if !self.may_begin(held, call.id).await? || self.shelf.is_withdrawn(call.id) {
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

    /// Whether a call may begin, as its client says, who counts it. None: it is to be offered again.
    async fn may_begin(&self, held: &Held, id: CallId) -> Option<bool> {
        let delivered = held.message.borrow().info().map_or(0, |info| info.delivered);
        let delivered = u64::try_from(delivered).unwrap_or(0);
        for _ in 0..QUESTIONS {
            match self.ask(id, News::Begin { delivered }).await {
                Ok(Verdict::Go) => return Some(true),
                Ok(Verdict::Drop) | Err(Unanswered::Gone) => return Some(false),
                Ok(Verdict::Poison | Verdict::Wait) => return None,
                Err(Unanswered::Not) if self.shelf.is_quiet(id.client) => return None,
                // The answer may be lost, or late, and it counts as begun.
                Err(Unanswered::Not) => {}
            }
        }
        None
    }

    /// Removes what a client that is gone does not fetch any more.
    async fn clear(&self, call: &CallHead, stored: bool) {
        if call.stored.is_some() {
            self.broker.forget(&argument_name(call.id)).await;
        }
        if stored {
            self.broker.forget(&result_name(call.id, &self.name)).await;
        }
    }

    /// Sends a result until the client has it, or is gone. Returns whether it was put into the store.
    async fn deliver(&self, held: &Held, id: CallId, done: Done) -> bool {
        let Done { report, busy, mut body } = done;
        let mut stored = None;
        while body.len() > MAX_INLINE {
            if self.broker.put(&result_name(id, &self.name), &body).await.is_ok() {
                stored = Some(body.len() as u64);
                body = Vec::new();
            } else if timeout(PAUSE, held.confirmed.notified()).await.is_ok() {
                return false;
            }
        }
        let is_stored = stored.is_some();
        let news = News::Done { report, busy, stored };
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
                return is_stored;
            }
        }
    }
}

/// The report of a call that has failed like this.
fn failed(error: JoinError) -> (Report, Vec<u8>) {
    (Report::One(Err(error)), Vec::new())
}
