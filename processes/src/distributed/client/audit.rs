//! Are the calls that are under way still in the stream, and their arguments in the store?
//!
//! A broker may have lost them with its disk, or its memory; and the store forgets what is old, for which a
//! call may have to wait longer than that. So they are looked for from time to time, and when the
//! connection is a new one. A call that is missing is sent again, unless a node has it, an argument that is missing, or
//! has half of the age that the store allows, is put there again. (A node that is fetching it at this
//! moment finds that it does not go on, and is offered the call again.)

use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::connection::State as Connection;
use async_nats::jetstream::stream::RawMessageErrorKind;
use tokio::sync::watch;
use tokio::task::{JoinError as TaskError, JoinSet};
use tokio::time::timeout;

use crate::error::JoinError;

use super::super::broker::argument_name;
use super::Remote;
use super::flight::Flight;
use super::run::{Desk, PAUSE};

/// How often it is looked whether calls that are under way are still there.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// So many times while the store keeps an argument, it is looked whether that has to be put there again.
const LOOKS: u32 = 8;

/// About so many calls the broker is asked at a time.
const WINDOW: usize = 64;

/// Nobody has answered.
struct NoAnswer;

/// Where a call is, as far as its client knows.
struct Whereabouts {
    /// Its place in the stream.
    sequence: u64,
    /// How often it was sent again.
    resent: u32,
    /// Since when its argument is in the store, and its length; none: it is in the message.
    put: Option<(Instant, u64)>,
}

/// Looks for the calls that are under way, from time to time and after each new connection.
pub(super) async fn audit(desk: Rc<Desk>, mut connections: watch::Receiver<u64>) {
    let keeps = desk.broker.store.keeps();
    let every = keeps.map_or(AUDIT_EVERY, |keeps| AUDIT_EVERY.min(keeps / LOOKS));
    let mut looked = true;
    loop {
        // Who has a call that is missing was asked. What that one has said, or not, is soon known.
        let soon = desk.broker.lease() + PAUSE;
        let every = if desk.remote.misses_any() { every.min(soon) } else { every };
        // A look that there was no connection for is made as soon as there is one: that this is a new one may
        // have been said before it is one.
        let every = if looked { every } else { PAUSE };
        if let Ok(Err(_gone)) = timeout(every, connections.changed()).await {
            return;
        }
        looked = desk.client.connection_state() == Connection::Connected;
        if !looked {
            continue;
        }
        // Perhaps there is no stream.
        if !desk.look_for_all().await && desk.reopen().await {
            let _answered = desk.look_for_all().await;
        }
        desk.broker.store.clean().await;
    }
}

/// Does this with each one, with so many at a time, until one is false. Returns whether none was.
async fn each<F>(
    numbers: impl IntoIterator<Item = u64>,
    window: usize,
    mut look: impl FnMut(u64) -> F,
) -> bool
where
    F: Future<Output = bool> + 'static,
{
    // A panic goes on in who waits.
    let good = |end: Result<bool, TaskError>| {
        end.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    };
    let (mut looks, mut all) = (JoinSet::new(), true);
    for number in numbers {
        if looks.len() >= window
            && let Some(end) = looks.join_next().await
        {
            all &= good(end);
        }
        if !all {
            break;
        }
        looks.spawn_local(look(number));
    }
    while let Some(end) = looks.join_next().await {
        all &= good(end);
    }
    all
}

/// Puts an argument again which is not there, or old. False when the broker has not said whether it is there.
///
/// What it says when it does not take the argument (there is no room, or this one is too large) is not the end
/// of the look: others are looked for, and the next look tries again.
async fn renew(
    has: Result<bool, String>,
    is_old: bool,
    put: impl Future<Output = Result<(), String>>,
) -> bool {
    match has {
        Ok(true) if !is_old => true,
        Ok(_) => {
            let (Ok(()) | Err(_)) = put.await;
            true
        }
        Err(_why) => false,
    }
}

/// What is to be done about a call that the broker has lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    /// It is to be sent again.
    Now,
    /// This node is to be asked whether it has it: if so, nothing is lost.
    Ask(String),
    /// Nothing: that is no news, or nobody wants it.
    No,
}

impl Desk {
    /// Looks for all calls that are under way. False when the broker does not answer.
    async fn look_for_all(self: &Rc<Self>) -> bool {
        let numbers: Vec<_> = self.remote.lock().flights.keys().copied().collect();
        each(numbers, WINDOW, |number| Rc::clone(self).look_for(number)).await
    }

    /// Looks for a call, and makes good what the broker has lost of it. False when it does not answer.
    async fn look_for(self: Rc<Self>, number: u64) -> bool {
        let Some(Whereabouts { sequence, resent, put }) = self.remote.whereabouts(number) else {
            return true;
        };
        match self.has_lost(&self.message_id(number, resent), sequence).await {
            Err(NoAnswer) => return false,
            Ok(true) => {
                match self.remote.resend(number, sequence, self.broker.lease()) {
                    Resend::Now => {
                        self.spawn("sending a call again", Rc::clone(&self).publish(number));
                    }
                    Resend::Ask(node) => self.ask_whether_it_has(number, node),
                    Resend::No => {}
                }
                return true;
            }
            Ok(false) => {}
        }
        let Some((since, length)) = put else { return true };
        let is_old = self.broker.store.keeps().is_some_and(|keeps| since.elapsed() >= keeps / 2);
        let name = argument_name(self.remote.call_id(number));
        let has = self.broker.store.has(&name, length).await;
        let is_missing = has == Ok(false);
        let put = async {
            let put = self.store_argument(number).await;
            if is_missing && let Err(why) = &put {
                // Nobody can execute it, unless a node has it.
                self.remote.is_not_sent(number, why, self.broker.lease());
            }
            put.map_err(|why| why.to_string())
        };
        renew(has, is_old, put).await
    }

    /// Whether the broker has not the message of this name at this place.
    async fn has_lost(&self, name: &str, sequence: u64) -> Result<bool, NoAnswer> {
        match self.broker.calls.get_raw_message(sequence).await {
            Ok(found) => {
                let id = found.headers.get("Nats-Msg-Id");
                Ok(id.is_none_or(|id| id.as_str() != name))
            }
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(true),
            Err(_why) => Err(NoAnswer),
        }
    }
}

impl Remote {
    /// Where a call is; none: it has ended, or the broker has not said yet that it has it.
    fn whereabouts(&self, number: u64) -> Option<Whereabouts> {
        let state = self.lock();
        let flight = state.flights.get(&number)?;
        let put = flight.put.map(|since| (since, flight.body.len() as u64));
        Some(Whereabouts { sequence: flight.sequence?, resent: flight.resent, put })
    }

    /// Whether the broker has lost a call, which a node is asked for.
    fn misses_any(&self) -> bool {
        self.lock().flights.values().any(|flight| flight.missing)
    }

    /// The broker has lost a call.
    ///
    /// One that a node has begun which is there is not sent again before that has said that it does not have
    /// it: another one would execute it, too.
    pub(super) fn resend(&self, number: u64, sequence: u64, lease: Duration) -> Resend {
        let mut state = self.lock();
        let is_held = state.is_held(number, lease);
        let flight = state.flights.get_mut(&number);
        let is_at = |flight: &&mut Flight| flight.sequence == Some(sequence) && !flight.fetching;
        let Some(flight) = flight.filter(is_at) else {
            return Resend::No;
        };
        if is_held {
            flight.missing = true;
            return Resend::Ask(flight.node().to_owned());
        }
        if flight.withdrawn {
            // One that a node has begun may go on there: whoever has withdrawn it looks after that.
            if !flight.is_begun() {
                self.end(state, number, JoinError::Cancelled);
            }
            return Resend::No;
        }
        state.send_again(number);
        Resend::Now
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::runtime::Builder;
    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// Looks at so many, of which this one has no answer. Returns whether all had, how many were looked at,
    /// how many at a time, and how often others had to wait.
    fn look(count: u64, unanswered: Option<u64>) -> (bool, u64, usize, u64) {
        let runtime = Builder::new_current_thread().build().unwrap();
        let seen: Rc<[Cell<u64>; 4]> = Rc::default();
        let all = LocalSet::new().block_on(&runtime, {
            let seen = Rc::clone(&seen);
            let rounds = Rc::clone(&seen);
            let look = move |number| {
                let seen = Rc::clone(&seen);
                async move {
                    let [looked, at_once, most, _] = &*seen;
                    looked.set(looked.get() + 1);
                    at_once.set(at_once.get() + 1);
                    most.set(most.get().max(at_once.get()));
                    for _ in 0..20 {
                        yield_now().await;
                    }
                    at_once.set(at_once.get() - 1);
                    unanswered != Some(number)
                }
            };
            async move {
                let counted = async {
                    loop {
                        rounds[3].set(rounds[3].get() + 1);
                        yield_now().await;
                    }
                };
                tokio::select! {
                    biased;
                    all = each(0..count, WINDOW, look) => all,
                    () = counted => unreachable!("it goes on"),
                }
            }
        });
        let most = usize::try_from(seen[2].get()).unwrap();
        (all, seen[0].get(), most, seen[3].get())
    }

    #[test]
    fn a_bounded_number_of_calls_is_asked_about_at_a_time() {
        let (all, looked, most, rounds) = look(10_000, None);
        assert_eq!((all, looked, most), (true, 10_000, WINDOW));
        assert!(rounds < 10_000, "one after the other takes 20 rounds for each: {rounds}");
        let (all, looked, most, _rounds) = look(3, None);
        assert_eq!((all, looked, most), (true, 3, 3));
    }

    #[test]
    fn an_argument_that_is_not_taken_does_not_end_the_look() {
        let look = |has, is_old, put: Result<(), String>| {
            let asked = Cell::new(false);
            let put = async {
                asked.set(true);
                put
            };
            let goes_on = futures_lite::future::block_on(renew(has, is_old, put));
            (goes_on, asked.get())
        };
        let refused = || Err("there is no room".to_owned());
        assert_eq!(look(Ok(true), false, Ok(())), (true, false));
        assert_eq!(look(Ok(true), true, Ok(())), (true, true));
        assert_eq!(look(Ok(false), false, Ok(())), (true, true));
        assert_eq!(look(Ok(false), false, refused()), (true, true), "others are looked for");
        assert_eq!(look(Ok(true), true, refused()), (true, true));
        assert_eq!(look(Err(String::new()), false, Ok(())), (false, false), "it does not answer");
    }

    #[test]
    fn a_broker_that_does_not_answer_is_asked_no_further() {
        let (all, looked, _most, _rounds) = look(100_000, Some(10));
        assert!(!all && looked <= 3 * WINDOW as u64, "{looked}");
    }
}
