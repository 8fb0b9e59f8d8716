//! What nodes say to a client about its calls.

use std::rc::Rc;
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use tokio::time::sleep;

use super::super::broker::result_name;
use super::super::refusal::Refusal;
use super::super::store::Unfetched;
use super::super::wire::{
    Answers, LONGEST_NAME, News, Report, Said, Sender, Shout, Verdict, all_said, pack, unpack,
};
use super::missed::Missed;
use super::run::{Desk, PAUSE};
use super::settle::From;

/// The most letters that are taken in before they are answered.
const BURST: usize = 32;

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

/// What there is to answer to a node, and where it waits for that.
type Reply = (Subject, Answers);

/// Takes in what nodes say, and answers, many at a time.
pub(super) async fn take_news(desk: Rc<Desk>, mut news: Subscriber) {
    while let Some(message) = news.next().await {
        let mut replies: Vec<Reply> = Vec::new();
        let mut next = Some(message);
        for _ in 0..BURST {
            let Some(letter) = next.take() else { break };
            desk.hear(&letter, &mut replies);
            next = poll_once(news.next()).await.flatten();
        }
        if let Some(letter) = next {
            desk.hear(&letter, &mut replies);
        }
        for (node, answers) in replies {
            desk.answer(node, &answers).await;
        }
    }
}

impl Desk {
    /// Answers a node.
    async fn answer(&self, node: Subject, answers: &Answers) {
        let message = pack(answers, &[]);
        let (Ok(()) | Err(_)) = self.client.publish(node, message.into()).await;
    }

    /// No answers yet.
    fn no_answers(&self) -> Answers {
        Answers { client: self.remote.id, verdicts: Vec::new(), confirmed: Vec::new() }
    }

    /// Takes in a letter of a node, and adds what is to be answered.
    fn hear(self: &Rc<Self>, letter: &Message, replies: &mut Vec<Reply>) {
        let lease = self.broker.lease();
        if let Some(Refusal { id, node, why }) =
            Refusal::of(letter.headers.as_ref(), &letter.payload)
        {
            if id.client == self.remote.id {
                self.refused(id.number, &node, &why);
            }
            return;
        }
        let Ok((Sender { node }, body)) = unpack::<Sender>(&letter.payload) else { return };
        if node.len() > LONGEST_NAME {
            return;
        }
        let Some(reply) = &letter.reply else { return };
        let place = replies.iter().position(|(subject, _)| subject == reply);
        let place = place.unwrap_or_else(|| {
            replies.push((reply.clone(), self.no_answers()));
            replies.len() - 1
        });
        let answers = &mut replies[place].1;
        for (Said { number, news }, body) in all_said(body) {
            match news {
                News::Begin { ticket, first } => {
                    let verdict = self.remote.begin(number, &node, first, lease);
                    answers.verdicts.push((ticket, verdict));
                    self.doubt(number, verdict);
                }
                News::Refused(why) => self.refused(number, &node, &why),
                News::Again { ticket, unbegun } => {
                    let verdict = self.remote.again(number, &node, unbegun, lease);
                    answers.verdicts.push((ticket, verdict));
                    self.doubt(number, verdict);
                }
                News::Runs { ticket } => {
                    answers.verdicts.push((ticket, self.remote.is_wanted(number)));
                }
                News::NotHere { unbegun } => {
                    if self.remote.not_here(number, &node, unbegun) {
                        self.spawn("sending a call again", Rc::clone(self).publish(number));
                    }
                }
                News::Done { report, busy, stored: None } => {
                    let had_argument = self.has_stored_argument(number);
                    self.remote.done(From { number, node: &node, busy }, report, body.to_vec());
                    if had_argument {
                        self.forget_argument(number);
                    }
                    answers.confirmed.push(number);
                }
                News::Done { report, busy, stored: Some(length) } => {
                    let (node, reply) = (node.clone(), reply.clone());
                    let done = Stored { number, node, busy, report, length, reply };
                    self.spawn("fetching a result", Rc::clone(self).fetch(done));
                }
            }
        }
        if answers.verdicts.is_empty() && answers.confirmed.is_empty() {
            replies.swap_remove(place);
        }
    }

    /// A node has refused a call.
    fn refused(self: &Rc<Self>, number: u64, node: &str, why: &str) {
        let place = self.remote.refused(number, node, why, self.broker.lease());
        if let Some(sequence) = place {
            let desk = Rc::clone(self);
            // What fails is a message that nodes throw away when this client is gone.
            let out = async move {
                let (Ok(_) | Err(_)) = desk.broker.calls.delete_message(sequence).await;
            };
            self.spawn("taking a call out", out);
        }
    }

    /// A node was told this about a call; if that is to wait for another one, the other one may be asked.
    fn doubt(self: &Rc<Self>, number: u64, verdict: Verdict) {
        if verdict == Verdict::Wait
            && let Some(node) = self.remote.doubted(number)
        {
            self.ask_whether_it_has(number, node);
        }
    }

    /// Asks a node whether it has a call. It says so if it has not; what of that is lost, the next time
    /// makes good.
    pub(super) fn ask_whether_it_has(self: &Rc<Self>, number: u64, node: String) {
        let (desk, id) = (Rc::clone(self), self.remote.call_id(number));
        let asked = async move { desk.shout(Shout::Have(id, node)).await };
        self.spawn("asking a node", asked);
    }

    /// Tells a node that a result has arrived.
    async fn confirm(&self, node: Subject, number: u64) {
        self.answer(node, &Answers { confirmed: vec![number], ..self.no_answers() }).await;
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
                self.broker.store.forget(&name).await;
                return self.confirm(reply, number).await;
            }
        }
        let fetched = match self.remote.refuse_stored(number, length) {
            Some(error) => Ok((Report::One(Err(error)), Vec::new())),
            None => self.broker.store.get(&name, length).await.map(|body| (report, body)),
        };
        match fetched {
            Ok((report, body)) => {
                let had_argument = self.has_stored_argument(number);
                self.remote.done(From { number, node: &node, busy }, report, body);
                self.confirm(reply, number).await;
                self.broker.store.forget(&name).await;
                if had_argument {
                    self.forget_argument(number);
                }
            }
            Err(why) => self.miss((number, &node), matches!(why, Unfetched::Missing), reply).await,
        }
    }

    /// A result was not fetched, because it is not there or for another reason.
    async fn miss(self: Rc<Self>, (number, node): (u64, &str), is_missing: bool, reply: Subject) {
        match self.remote.missed(number, node, is_missing) {
            Missed::Wait => {}
            Missed::Ended => self.confirm(reply, number).await,
            Missed::Send => {
                // Its node is to forget it before it may get it again.
                self.confirm(reply, number).await;
                sleep(PAUSE).await;
                self.publish(number).await;
            }
        }
    }
}
