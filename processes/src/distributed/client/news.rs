//! What nodes say to a client about its calls.

use std::rc::Rc;
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use tokio::time::sleep;

use super::super::broker::{Unfetched, result_name};
use super::super::wire::{Confirm, News, Report, Up, pack, unpack};
use super::flight::Missed;
use super::run::{Desk, PAUSE};
use super::settle::From;

/// The most messages that are taken in before their results are confirmed.
const BURST: usize = 256;

/// A result that is in the store.
struct Stored {
    /// The call.
    number: u64,
    /// The node that has executed it.
    node: String,
    /// How long its workers were busy with it.
    busy: Duration,
    /// How it has ended.
    report: Report,
    /// How many bytes it has.
    length: u64,
    /// Where the node waits for a confirmation.
    reply: Subject,
}

/// Takes in what nodes say, and confirms results, many at a time.
pub(super) async fn take_news(desk: Rc<Desk>, mut news: Subscriber) {
    while let Some(message) = news.next().await {
        let mut confirmed: Vec<(Subject, Vec<u64>)> = Vec::new();
        let mut next = Some(message);
        for _ in 0..BURST {
            let Some(message) = next.take() else { break };
            if let Some((reply, number)) = desk.hear(message).await {
                match confirmed.iter_mut().find(|(node, _)| *node == reply) {
                    Some((_node, numbers)) => numbers.push(number),
                    None => confirmed.push((reply, vec![number])),
                }
            }
            next = poll_once(news.next()).await.flatten();
        }
        for (node, numbers) in confirmed {
            desk.confirm(node, numbers).await;
        }
        if let Some(message) = next
            && let Some((node, number)) = desk.hear(message).await
        {
            desk.confirm(node, vec![number]).await;
        }
    }
}

impl Desk {
    /// Tells a node which results have arrived.
    async fn confirm(&self, node: Subject, numbers: Vec<u64>) {
        let message = pack(&Confirm { client: self.remote.id, numbers }, &[]);
        let (Ok(()) | Err(_)) = self.client.publish(node, message.into()).await;
    }

    /// Takes in what a node says. Returns what to confirm, and to whom.
    async fn hear(self: &Rc<Self>, message: Message) -> Option<(Subject, u64)> {
        let (up, body) = unpack::<Up>(&message.payload).ok()?;
        let Up { node, number, news } = up;
        match news {
            News::Begin { delivered } => {
                let lease = self.broker.lease();
                let verdict = pack(&self.remote.begin(number, &node, delivered, lease), &[]);
                let (Ok(()) | Err(_)) = self.client.publish(message.reply?, verdict.into()).await;
                None
            }
            News::Refused(why) => {
                self.remote.refused(number, &node, &why);
                None
            }
            News::Again => {
                let verdict = pack(&self.remote.again(number, &node, self.broker.lease()), &[]);
                let (Ok(()) | Err(_)) = self.client.publish(message.reply?, verdict.into()).await;
                None
            }
            News::Done { report, busy, stored: None } => {
                let had_argument = self.has_stored_argument(number);
                self.remote.done(From { number, node: &node, busy }, report, body.to_vec());
                if had_argument {
                    self.forget_argument(number);
                }
                message.reply.map(|reply| (reply, number))
            }
            News::Done { report, busy, stored: Some(length) } => {
                let done = Stored { number, node, busy, report, length, reply: message.reply? };
                self.spawn("fetching a result", Rc::clone(self).fetch(done));
                None
            }
        }
    }

    /// Whether the argument of a call is in the store.
    fn has_stored_argument(&self, number: u64) -> bool {
        self.remote.lock().flights.get(&number).is_some_and(|flight| flight.body.is_stored())
    }

    /// Fetches a long result. When that fails the node says it again.
    async fn fetch(self: Rc<Self>, done: Stored) {
        // Also of what is fetched: the last call ends before that is removed.
        let _removal = self.removal();
        let Stored { number, node, busy, report, length, reply } = done;
        let name = result_name(self.remote.call_id(number), &node);
        let before = self
            .remote
            .lock()
            .flights
            .get_mut(&number)
            .map(|flight| std::mem::replace(&mut flight.fetching, true));
        match before {
            Some(false) => {}
            Some(true) => return,
            None => {
                self.broker.forget(&name).await;
                return self.confirm(reply, vec![number]).await;
            }
        }
        let fetched = match self.remote.refuse_stored(number, length) {
            Some(error) => Ok((Report::One(Err(error)), Vec::new())),
            None => self.broker.get(&name, length).await.map(|body| (report, body)),
        };
        match fetched {
            Ok((report, body)) => {
                let had_argument = self.has_stored_argument(number);
                self.remote.done(From { number, node: &node, busy }, report, body);
                self.confirm(reply, vec![number]).await;
                self.broker.forget(&name).await;
                if had_argument {
                    self.forget_argument(number);
                }
            }
            Err(why) => self.miss(number, matches!(why, Unfetched::Missing), reply).await,
        }
    }

    /// A result was not fetched, because it is not there or for another reason.
    async fn miss(self: Rc<Self>, number: u64, is_missing: bool, reply: Subject) {
        match self.remote.missed(number, is_missing) {
            Missed::Wait => {}
            Missed::Ended => self.confirm(reply, vec![number]).await,
            Missed::Send => {
                // Its node is to forget it before it may get it again.
                self.confirm(reply, vec![number]).await;
                sleep(PAUSE).await;
                self.publish(number).await;
            }
        }
    }
}
