//! Does the node that has begun a call still have it?
//!
//! A node that is there keeps what it has begun. But it may have given the result up, because this client was
//! away for long; and what it has asked for and this client has counted, it may not have begun, because the
//! answer came too late. Then nobody would end the call, when others are told to wait and it is not sent
//! again. So the node is asked, when the broker has lost the call, and now and then while another node is
//! offered it; and it says by itself that it has not begun what it has asked for. No answer says nothing: it is
//! asked again, until it has not been heard of for a lease.

use crate::error::JoinError;

use super::super::wire::Verdict;
use super::{Remote, State};

/// Of so many times that another node was told to wait, once the node is asked that has the call.
pub(super) const DOUBTED_EVERY: u32 = 10;

impl Remote {
    /// A node says that it does not have a call, and has not begun this attempt. True: the call is to be
    /// sent again, because the broker has lost it, too.
    pub(super) fn not_here(&self, number: u64, node: &str, unbegun: Option<u64>) -> bool {
        let mut state = self.lock();
        let Some(flight) = state.flights.get(&number) else { return false };
        if flight.holder() != Some(node) {
            return false;
        }
        state.was_not_begun(number, node, unbegun);
        let Some(flight) = state.flights.get_mut(&number) else { return false };
        flight.begun.release();
        if !std::mem::take(&mut flight.missing) {
            // It is in the stream, and is offered to this or another node.
            return false;
        }
        if flight.withdrawn {
            let error = flight.withdrawn_end();
            self.end(state, number, error);
            return false;
        }
        if flight.is_begun()
            && let Some(error) = state.lose(number, self.cluster.attempts)
        {
            self.end(state, number, error);
            return false;
        }
        state.send_again(number);
        true
    }

    /// A node executes a call: is it to go on?
    ///
    /// Also one that was taken for lost is: who ends the call first, does.
    pub(super) fn is_wanted(&self, number: u64) -> Verdict {
        match self.lock().flights.get(&number) {
            Some(flight) if flight.killed => Verdict::Drop,
            Some(flight) if flight.withdrawn && !flight.is_read() => Verdict::Wait,
            Some(_) => Verdict::Go,
            None => Verdict::Drop,
        }
    }

    /// Another node was told to wait for the one that has a call. From time to time that one is asked
    /// whether it has it: its name.
    pub(super) fn doubted(&self, number: u64) -> Option<String> {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number)?;
        let is_time = std::mem::take(&mut flight.in_doubt);
        flight.holder().filter(|_| is_time).map(str::to_owned)
    }
}

impl State {
    /// A node says that it has not begun this attempt: it was counted before, and is not any more.
    pub(super) fn was_not_begun(&mut self, number: u64, node: &str, unbegun: Option<u64>) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        if unbegun.is_some_and(|attempt| flight.begun.take_back(node, attempt)) {
            flight.refusals.given_back(node);
            let was_again = flight.is_begun();
            self.counters.retried -= u64::from(was_again);
        }
    }

    /// The node that has begun a call does not have it any more. What the call ends with, if it was begun
    /// as often as it may be.
    pub(super) fn lose(&mut self, number: u64, most: u32) -> Option<JoinError> {
        let flight = self.flights.get_mut(&number)?;
        let (attempts, node) = (flight.begun.times(), flight.node().to_owned());
        // Nodes ask again when they have not heard the answer.
        let is_news = flight.begun.note_loss();
        let reason = format!("node {node} had it and was heard of no more");
        let lost = JoinError::NodeLost { reason };
        if is_news {
            flight.refusals.forget();
            self.nodes.lost(&node);
            self.counters.lost += 1;
        }
        match attempts {
            few if few < most => None,
            1 => Some(lost),
            _ => Some(JoinError::Poison { attempts, last: Box::new(lost) }),
        }
    }
}
