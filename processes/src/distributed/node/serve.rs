//! A call on a node, from its message to the acknowledgement.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{AckKind, Message};
use tokio::time::{sleep, timeout};

use crate::error::{JoinError, Side};

use super::super::broker::{argument_name, result_name};
use super::super::store::{Full, no_room};
use super::super::task::Named;
use super::super::wire::{CallHead, CallId, ENVELOPE, MAX_INLINE, News, Report, Verdict};
use super::execute::{Unfit, local_call, outcome};
use super::health::{Unable, has_not_run};
use super::held::{Held, Inside};
use super::look::{Look, Unanswered};
use super::outbox::{Haste, Parcel};
use super::pace::AHEAD;
use super::run::{Desk, PAUSE};
use super::stage::On;

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

/// What came of a result that is to be stored.
enum Put {
    /// It is in the store.
    There,
    /// Nobody wants it any more.
    Unwanted,
    /// The broker has had no room for it for too long.
    NoRoom(JoinError),
}

/// A call is to be offered again, after this time.
struct Later(Duration);

/// Whether a call may begin.
enum May {
    /// It may, and is counted with this attempt.
    Begin(u64),
    /// Nobody wants it.
    Not,
}

/// When a call is offered again that this node has fetched and cannot begin soon: its client is to hear of
/// that before another node asks.
const SOON: Duration = Duration::from_millis(5);

/// When a call is offered again that has to wait for another one here, with which it may not be lost.
const SHORTLY: Duration = Duration::from_millis(100);

/// How long a call waits for a worker before it is given back.
const UNBEGUN: Duration = AHEAD.saturating_mul(5);

/// How often a client that does not answer is asked whether a call may begin.
const QUESTIONS: usize = 2;

/// A message that this node has in its hands; when it is dropped, there is room for another one.
pub(super) struct Hand(Rc<Desk>);

impl Drop for Hand {
    fn drop(&mut self) {
        let in_hand = &self.0.shelf.in_hand;
        in_hand.set(in_hand.get() - 1);
        if in_hand.get() == 0 {
            // Results wait for no others any more.
            self.0.outbox.hurry();
        }
        self.0.shelf.eased.notify_one();
    }
}

impl Desk {
    /// Takes a message into its hands.
    pub(super) fn hand(self: &Rc<Self>) -> Hand {
        let in_hand = &self.shelf.in_hand;
        in_hand.set(in_hand.get() + 1);
        Hand(Rc::clone(self))
    }

    /// Looks after a message until it is acknowledged or given back.
    pub(super) async fn look_after(self: Rc<Self>, hand: Hand, message: Message) {
        // What has no such place has not come from the stream.
        let Some(place) = message.reply.clone() else { return };
        let delivered = message.info().map_or(0, |info| info.delivered);
        let delivered = u64::try_from(delivered).unwrap_or(0);
        let (call, named, body) = match self.look(&message, delivered, &place).await {
            Look::Go(call, named, body) => (call, named, body),
            Look::Drop(stored) => {
                // To say so may take as long as there is no broker.
                drop(hand);
                self.reply(place, AckKind::Term).await;
                if let Some(id) = stored {
                    self.broker.store.forget(&argument_name(id)).await;
                }
                return;
            }
            Look::Known => {
                drop(hand);
                return self.reply(place, AckKind::Progress).await;
            }
            Look::Later(pause) => {
                drop(hand);
                return self.reply(place, AckKind::Nak(Some(pause))).await;
            }
            Look::Bury(why) => {
                // With the hand: the broker may take nothing for long, and those that come meanwhile lie here.
                self.bury(&message, &place, &why).await;
                drop(hand);
                return self.reply(place, AckKind::Term).await;
            }
        };
        drop(message);
        let Some(held) = self.shelf.take(call.id, place) else { return };
        let result = self.execute(&held, &call, named, body).await;
        drop(hand);
        if self.is_over.get() {
            // It is given back.
            return;
        }
        match result {
            Ok(done) => {
                let stored = self.deliver(&held, call.id, done).await;
                self.answer(&held, AckKind::Ack).await;
                if self.shelf.is_gone(call.id.client) {
                    self.clear(&call, stored).await;
                }
                self.shelf.drop_call(call.id);
            }
            Err(Later(pause)) => {
                // First this: it may come back soon, and is not known then.
                self.shelf.drop_call(call.id);
                self.answer(&held, AckKind::Nak(Some(pause))).await;
            }
        }
    }

    /// Executes a call.
    ///
    /// # Errors
    /// It is to be offered again.
    async fn execute(
        self: &Rc<Self>,
        held: &Held,
        call: &CallHead,
        named: Named,
        mut body: Vec<u8>,
    ) -> Result<Done, Later> {
        let on = self.shelf.stage.enter().await.ok_or(Later(SOON))?;
        if let Some(length) = call.stored {
            let limit = self.cluster.max_payload;
            if usize::try_from(length).map_or(true, |length| length > limit) {
                let size = usize::try_from(length).unwrap_or(usize::MAX);
                return Ok(failed(JoinError::TooLarge { side: Side::Worker, size, limit }));
            }
            let fetched = self.broker.store.get(&argument_name(call.id), length).await;
            body = fetched.map_err(|_why| Later(PAUSE))?;
        }
        let engine = self.pool.engine();
        let (local, inside) = match local_call(&**engine, call, named, body) {
            Ok(both) => both,
            Err(Unfit::Call(error)) => return Ok(failed(error)),
            Err(Unfit::Node(why)) => {
                self.tell(call.id, News::Refused(why));
                return Err(Later(PAUSE));
            }
        };
        if self.health.is_broken() {
            // It was asked for before.
            return Err(Later(PAUSE));
        }
        let attempt = match self.may_begin(held, call.id).await? {
            May::Begin(_) if self.is_over.get() => return Err(Later(PAUSE)),
            May::Begin(attempt) if !self.shelf.is_withdrawn(call.id) => attempt,
            May::Begin(_) | May::Not => return Ok(failed(JoinError::Cancelled)),
        };
        held.asked.set(None);
        *held.inside.borrow_mut() = Some(inside.clone());
        let begun = self.shelf.shares.begin();
        on.begins();
        engine.submit(local);
        let forsaken = Cell::new(false);
        let end = tokio::select! {
            biased;
            done = outcome(&inside, call.items.unwrap_or(1)) => Some(done),
            never = self.asks_about(call.id, &inside, &forsaken) => match never {},
            () = self.takes_back(&on, call, &inside) => None,
        };
        *held.inside.borrow_mut() = None;
        let busy = self.shelf.shares.end(begun);
        if self.is_over.get() {
            // The client hears that with the rest, see `give_back`.
            let has_run = end.is_some_and(|(report, _)| !has_not_run(&report));
            held.asked.set((!has_run && !call.retry.is_any()).then_some(attempt));
            return Err(Later(PAUSE));
        }
        let Some((report, body)) = end else {
            self.has_not_begun(call.id, attempt);
            return Err(Later(SOON));
        };
        if forsaken.get() {
            // Should its client come back nevertheless, it does not have an end that nobody has asked for.
            self.tell(call.id, News::NotHere { unbegun: None });
            return Err(Later(PAUSE));
        }
        if let Some(unable) = Unable::of(&report) {
            self.could_not(call, attempt, unable);
            return Err(Later(PAUSE));
        }
        self.shelf.stage.pace.learn(busy, Instant::now());
        Ok(Done { report, busy, body })
    }

    /// Takes a call back from the pool that no worker has begun for a while, because others are before it, which
    /// take longer than was to be expected. Otherwise it does not return.
    ///
    /// Not one that is run again here when its worker is lost: it may have been run. Nor the items of a map,
    /// of which some may have begun. Nor when the node is to end, and to leave nothing.
    async fn takes_back(&self, on: &On<'_>, call: &CallHead, inside: &Inside) {
        if let Inside::One(ticket) = inside
            && !call.retry.is_any()
        {
            loop {
                sleep(UNBEGUN).await;
                if !on.is_behind_others() {
                    break;
                }
                if !self.leave.is_told() && self.pool.engine().cancel(ticket) {
                    return;
                }
            }
        }
        pending::<()>().await;
    }

    /// Whether a call may begin, as its client says, who counts it.
    ///
    /// When there is no answer, the client may have counted the attempt nevertheless: it is told that it was
    /// not begun, now and, as that may be lost, when it is asked about the call again.
    ///
    /// # Errors
    /// It is to be offered again.
    async fn may_begin(&self, held: &Held, id: CallId) -> Result<May, Later> {
        // The same attempt as before, if that was not begun.
        let mut attempt = self.outbox.unbegun.of(id);
        for _ in 0..QUESTIONS {
            if self.is_over.get() {
                // The client has heard what this node gives back, and would believe that it has begun this.
                return Err(Later(PAUSE));
            }
            let begin = |ticket| {
                let first = *attempt.get_or_insert(ticket);
                held.asked.set(Some(first));
                News::Begin { ticket, first }
            };
            match (self.ask(id, begin).await, attempt) {
                (Ok(Verdict::Go), Some(attempt)) => {
                    self.outbox.unbegun.forget(id);
                    return Ok(May::Begin(attempt));
                }
                (Ok(Verdict::Drop), _) => {
                    self.outbox.unbegun.forget(id);
                    return Ok(May::Not);
                }
                (Ok(Verdict::Wait), _) => return Err(Later(SHORTLY)),
                (Ok(Verdict::Go | Verdict::Poison), _) => return Err(Later(PAUSE)),
                // It may come back. If not, the call is thrown away when it is offered again.
                (Err(Unanswered::Gone), _) => break,
                (Err(Unanswered::Not), _) if self.shelf.is_quiet(id.client) => break,
                // The answer may be lost, or late.
                (Err(Unanswered::Not), _) => {}
            }
        }
        if let Some(attempt) = attempt {
            self.has_not_begun(id, attempt);
        }
        Err(Later(PAUSE))
    }

    /// The client may have counted this attempt, and it is not begun.
    fn has_not_begun(&self, id: CallId, attempt: u64) {
        self.outbox.unbegun.note(id, attempt);
        self.tell(id, News::NotHere { unbegun: Some(attempt) });
    }

    /// Removes what a client that is gone does not fetch any more.
    async fn clear(&self, call: &CallHead, stored: bool) {
        if call.stored.is_some() {
            self.broker.store.forget(&argument_name(call.id)).await;
        }
        if stored {
            self.broker.store.forget(&result_name(call.id, &self.name)).await;
        }
    }

    /// Sends a result until the client has it, or is gone. Returns whether it was put into the store, which it
    /// is if it does not fit into a message, also when that shows later, with another broker.
    async fn deliver(&self, held: &Held, id: CallId, done: Done) -> bool {
        let Done { report, busy, mut body } = done;
        self.shelf.ends(id, held, body.len()).await;
        let said = |stored| News::Done { report: report.clone(), busy, stored };
        let bare = Parcel::new(id.number, said(None), &[]);
        if body.is_empty() {
            self.shelf.keep(held, bare.bytes().len());
            self.announce(held, id, &bare, true).await;
            return false;
        }
        if body.len() <= MAX_INLINE {
            let whole = Parcel::new(id.number, said(None), &body);
            drop(body);
            self.shelf.keep(held, whole.bytes().len());
            if self.announce(held, id, &whole, false).await {
                return false;
            }
            body = whole.bytes()[bare.bytes().len()..].to_vec();
        }
        drop(bare);
        match self.put(held, id, &body).await {
            Put::There => {}
            Put::Unwanted => return false,
            Put::NoRoom(error) => {
                drop(body);
                let news = News::Done { report: Report::One(Err(error)), busy, stored: None };
                let parcel = Parcel::new(id.number, news, &[]);
                self.shelf.keep(held, parcel.bytes().len());
                self.announce(held, id, &parcel, true).await;
                return false;
            }
        }
        let parcel = Parcel::new(id.number, said(Some(body.len() as u64)), &[]);
        drop(body);
        self.shelf.keep(held, parcel.bytes().len());
        self.announce(held, id, &parcel, true).await;
        true
    }

    /// Puts a result into the store, and tries until it is there, the client is gone, or the broker has had no room
    /// for it for too long.
    async fn put(&self, held: &Held, id: CallId, body: &[u8]) -> Put {
        let (name, mut full) = (result_name(id, &self.name), Full::default());
        let gone_after = self.cluster.gone_after;
        while let Err(why) = self.broker.store.put(&name, body).await {
            if full.is_final(&why, gone_after) {
                return Put::NoRoom(no_room(Side::Worker, body.len(), &why, gone_after));
            }
            if timeout(PAUSE, held.confirmed.notified()).await.is_ok() {
                return Put::Unwanted;
            }
        }
        Put::There
    }

    /// Says how a call has ended, until the client has confirmed that, or is gone. False: that does not fit into
    /// a message of the broker of the moment. With `anyhow` it is said all the same, as nothing can be taken
    /// out of it, and there may be another broker later.
    async fn announce(&self, held: &Held, id: CallId, parcel: &Rc<Parcel>, anyhow: bool) -> bool {
        while anyhow || parcel.bytes().len() + ENVELOPE <= self.longest() {
            let haste = if self.shelf.more_results_come() { Haste::Patient } else { Haste::AtOnce };
            self.outbox.post(id.client, parcel, haste);
            if timeout(RESEND, held.confirmed.notified()).await.is_ok() {
                return true;
            }
        }
        false
    }
}

/// A call that has failed like this, without a worker.
fn failed(error: JoinError) -> Done {
    Done { report: Report::One(Err(error)), busy: Duration::ZERO, body: Vec::new() }
}
