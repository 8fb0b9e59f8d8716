//! What a node says to clients, many things in a letter, and what they answer to its questions.
//!
//! What is said lies here until the node has nothing else to do at once, and then goes in letters, one for
//! each client and more if they are long. So calls that come, or end, at the same time share what a
//! message costs, and one that is alone waits for nothing. Results are *patient* while workers have
//! more short calls: they wait for the results of those, but no longer than [`LINGER`], and for no more than
//! [`MANY`]. What follows from them goes together, too: the client's answer, what it submits next, and
//! what the broker is told.
//!
//! A question has a *ticket*, which is never used again: the answer to an earlier question about the same
//! call, that was lost for a while, is not taken for the answer to a later one. A question that is not
//! waited for any more is not sent from here. One that was sent may reach its client long after, when a
//! connection is back; what a client has so counted and the node has not begun is in [`unbegun`](super::unbegun).

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::super::wire::{Letter, News, Said, Verdict, pack};
use super::run::Desk;
use super::unbegun::Unbegun;

/// How long results wait for others at most, where the clock is that exact.
const LINGER: Duration = Duration::from_millis(1);

/// So many do not wait for more.
const MANY: usize = 64;

/// Whether something that is said waits for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// It does not.
    AtOnce,
    /// It does, for a while.
    Patient,
}

/// Something that is said, maybe again and again.
#[derive(Debug)]
pub(super) struct Parcel {
    /// A packed [`Said`], with its body.
    bytes: Vec<u8>,
    /// The ticket, if it is a question.
    ticket: Option<u64>,
    /// Whether it lies in the outbox.
    waits: Cell<bool>,
}

impl Parcel {
    /// News of a call, with their body.
    pub(super) fn new(number: u64, news: News, body: &[u8]) -> Rc<Self> {
        Self::with(None, number, news, body)
    }

    /// What is said, as letters have it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, with the ticket of a question.
    fn with(ticket: Option<u64>, number: u64, news: News, body: &[u8]) -> Rc<Self> {
        let bytes = pack(&Said { number, news }, body);
        Rc::new(Self { bytes, ticket, waits: Cell::new(false) })
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The client has answered.
    Said(Verdict),
    /// The broker says that nobody is there.
    Nobody,
}

/// A question that is waited for.
#[derive(Debug)]
struct Question {
    /// Who was asked.
    client: u128,
    /// Takes the answer.
    answer: oneshot::Sender<Heard>,
}

/// Which question; when it is dropped, nobody waits for the answer any more.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    /// Where it was asked.
    outbox: &'a Outbox,
    /// Its number.
    number: u64,
    /// Brings the answer.
    pub(super) answer: oneshot::Receiver<Heard>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.outbox.questions.borrow_mut().remove(&self.number);
    }
}

/// What is to be said, and what was asked.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What is to be said, by client. No queue is empty.
    parcels: RefCell<HashMap<u128, VecDeque<Rc<Parcel>>>>,
    /// Told when there is something.
    posted: Notify,
    /// Told when that is not to wait for more.
    hurry: Notify,
    /// How much there is, as long as all of it is patient; none: some is not.
    patient: Cell<Option<usize>>,
    /// The questions that are waited for, by ticket.
    questions: RefCell<HashMap<u64, Question>>,
    /// The next ticket.
    next: Cell<u64>,
    /// What clients were asked to count as begun, and was not.
    pub(super) unbegun: Unbegun,
}

impl Outbox {
    /// Says something to a client; what lies here already is not said twice.
    pub(super) fn post(&self, client: u128, parcel: &Rc<Parcel>, haste: Haste) {
        if parcel.waits.replace(true) {
            return;
        }
        self.parcels.borrow_mut().entry(client).or_default().push_back(Rc::clone(parcel));
        let patient = self.patient.get().map(|count| count + 1);
        self.patient.set(patient.filter(|count| haste == Haste::Patient && *count < MANY));
        if self.patient.get().is_none() {
            self.hurry.notify_one();
        }
        self.posted.notify_one();
    }

    /// Nothing more comes for which anything should wait.
    pub(super) fn hurry(&self) {
        if self.patient.replace(None).is_some() {
            self.hurry.notify_one();
        }
    }

    /// Waits as long as what there is waits for more.
    async fn linger(&self) {
        let more = async {
            // It may have been told of what was sent already.
            while self.patient.get().is_some() {
                self.hurry.notified().await;
            }
        };
        if self.patient.get().is_some() {
            let (Ok(()) | Err(_)) = timeout(LINGER, more).await;
        }
    }

    /// Asks a client about a call, what `question` makes of a ticket.
    pub(super) fn ask(
        &self,
        client: u128,
        number: u64,
        question: impl FnOnce(u64) -> News,
    ) -> Ticket<'_> {
        let ticket = self.next.get();
        self.next.set(ticket + 1);
        let (send, answer) = oneshot::channel();
        self.questions.borrow_mut().insert(ticket, Question { client, answer: send });
        let parcel = Parcel::with(Some(ticket), number, question(ticket), &[]);
        self.post(client, &parcel, Haste::AtOnce);
        Ticket { outbox: self, number: ticket, answer }
    }

    /// A client has answered a question.
    pub(super) fn answered(&self, client: u128, ticket: u64, verdict: Verdict) {
        let mut questions = self.questions.borrow_mut();
        if questions.get(&ticket).is_some_and(|question| question.client == client)
            && let Some(question) = questions.remove(&ticket)
        {
            // It may not be waited for any more.
            let (Ok(()) | Err(_)) = question.answer.send(Heard::Said(verdict));
        }
    }

    /// A client is not there: nothing that it was asked will be answered.
    pub(super) fn nobody(&self, client: u128) {
        let asked = |_: &u64, question: &mut Question| question.client == client;
        for (_ticket, question) in self.questions.borrow_mut().extract_if(asked) {
            let (Ok(()) | Err(_)) = question.answer.send(Heard::Nobody);
        }
    }

    /// The next letter, for a broker that takes messages of so many bytes, and to whom; none: everything
    /// is said.
    fn next_letter(&self, node: &str, longest: usize) -> Option<(u128, Vec<u8>)> {
        let mut all = self.parcels.borrow_mut();
        while let Some((&client, parcels)) = all.iter_mut().next() {
            let mut letter = Letter::of(node, longest);
            while let Some(parcel) = parcels.pop_front_if(|parcel| letter.takes(&parcel.bytes)) {
                parcel.waits.set(false);
                let is_wanted = parcel
                    .ticket
                    .is_none_or(|ticket| self.questions.borrow().contains_key(&ticket));
                if is_wanted {
                    letter.add(&parcel.bytes);
                }
            }
            if parcels.is_empty() {
                all.remove(&client);
            }
            if let Some(message) = letter.finish() {
                return Some((client, message));
            }
        }
        self.patient.set(Some(0));
        None
    }
}

/// Sends what is said.
pub(super) async fn send_letters(desk: Rc<Desk>) {
    loop {
        desk.outbox.posted.notified().await;
        desk.outbox.linger().await;
        // Others that can go on now may have something to say to the same clients.
        yield_now().await;
        desk.send_all().await;
    }
}

impl Desk {
    /// Sends what there is.
    pub(super) async fn send_all(&self) {
        while let Some((client, letter)) = self.outbox.next_letter(&self.name, self.longest()) {
            let to = self.broker.names.client(client);
            let back = self.broker.names.node(self.id, client);
            // It fails when the broker takes only shorter messages: what has to arrive is said again.
            let (Ok(()) | Err(_)) = self.client.publish_with_reply(to, back, letter.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::{Sender, all_said, unpack};
    use super::*;

    /// The letters that there are: to whom, and about which calls.
    fn letters(outbox: &Outbox) -> Vec<(u128, Vec<u64>)> {
        let next = || outbox.next_letter("n", 1_000_000);
        let read = |(client, letter): (u128, Vec<u8>)| {
            let (_sender, body) = unpack::<Sender>(&letter).unwrap();
            (client, all_said(body).map(|(said, _body)| said.number).collect())
        };
        std::iter::from_fn(next).map(read).collect()
    }

    /// News that are no question.
    fn refused(number: u64, body: &[u8]) -> Rc<Parcel> {
        Parcel::new(number, News::Refused(String::new()), body)
    }

    #[test]
    fn what_is_said_to_a_client_is_one_letter_and_said_once() {
        let outbox = Outbox::default();
        let (one, two, three) = (refused(1, b""), refused(2, b""), refused(3, b""));
        for parcel in [&one, &two, &one, &one] {
            outbox.post(7, parcel, Haste::AtOnce);
        }
        outbox.post(8, &three, Haste::AtOnce);
        let mut said = letters(&outbox);
        said.sort();
        assert_eq!(said, [(7, vec![1, 2]), (8, vec![3])]);
        assert!(letters(&outbox).is_empty() && outbox.parcels.borrow().is_empty());
        outbox.post(7, &one, Haste::AtOnce);
        assert_eq!(letters(&outbox), [(7, vec![1])], "it is said again when it was sent");
    }

    /// Whether what there is waits for more; for ever, as far as can be seen.
    fn lingers(outbox: &Outbox) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { futures_lite::future::poll_once(outbox.linger()).await.is_none() })
    }

    #[test]
    fn results_wait_for_others_as_long_as_those_come() {
        let outbox = Outbox::default();
        letters(&outbox);
        let post = |haste| outbox.post(7, &refused(1, b""), haste);
        post(Haste::Patient);
        post(Haste::Patient);
        assert!(lingers(&outbox));
        post(Haste::AtOnce);
        assert!(!lingers(&outbox), "something does not wait, and so nothing does");
        post(Haste::Patient);
        assert!(!lingers(&outbox));
        assert_eq!(letters(&outbox), [(7, vec![1; 4])]);
        post(Haste::Patient);
        assert!(lingers(&outbox));
        outbox.hurry();
        assert!(!lingers(&outbox), "no more comes");
        letters(&outbox);
        (0..MANY - 1).for_each(|_| post(Haste::Patient));
        assert!(lingers(&outbox));
        post(Haste::Patient);
        assert!(!lingers(&outbox), "there are many");
    }

    #[test]
    fn long_bodies_go_in_letters_of_their_own() {
        let outbox = Outbox::default();
        let body = vec![0; 400_000];
        for number in 0..3 {
            outbox.post(7, &refused(number, &body), Haste::AtOnce);
        }
        assert_eq!(letters(&outbox), [(7, vec![0]), (7, vec![1]), (7, vec![2])]);
    }

    #[test]
    fn an_answer_is_that_of_its_question() {
        let outbox = Outbox::default();
        let again = |ticket| News::Again { ticket, unbegun: None };
        let mut first = outbox.ask(7, 1, again);
        let number = first.number;
        let mut second = outbox.ask(7, 1, again);
        outbox.answered(8, number, Verdict::Drop);
        assert!(first.answer.try_recv().is_err(), "another client was not asked");
        outbox.answered(7, number, Verdict::Go);
        outbox.answered(7, number, Verdict::Drop);
        assert_eq!(first.answer.try_recv(), Ok(Heard::Said(Verdict::Go)));
        assert!(second.answer.try_recv().is_err(), "the same call, but another question");
        outbox.nobody(8);
        assert!(second.answer.try_recv().is_err(), "somebody else is not there");
        outbox.nobody(7);
        assert_eq!(second.answer.try_recv(), Ok(Heard::Nobody));
        drop((first, second));
        assert!(outbox.questions.borrow().is_empty());
    }

    #[test]
    fn a_question_that_nobody_waits_for_is_not_sent() {
        let outbox = Outbox::default();
        let begin = |ticket| News::Begin { ticket, first: ticket };
        drop(outbox.ask(7, 1, begin));
        assert!(letters(&outbox).is_empty(), "it would be counted as begun");
        let waited = outbox.ask(7, 2, begin);
        drop(outbox.ask(7, 3, begin));
        assert_eq!(letters(&outbox), [(7, vec![2])]);
        drop(waited);
        assert!(outbox.questions.borrow().is_empty(), "nothing is remembered of it");
    }
}
