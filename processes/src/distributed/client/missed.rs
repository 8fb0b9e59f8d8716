//! Results that are not in the store, where their nodes have put them.

use crate::error::JoinError;

use super::Remote;

/// What becomes of a call whose result is not in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// Nothing yet: its node says again that it is there.
    Wait,
    /// It is to be sent again.
    Send,
    /// It has ended.
    Ended,
}

/// After so many times that a result was not in the store it is believed: a broker that has it may not know
/// of it yet.
pub(super) const MISSES: u32 = 3;

impl Remote {
    /// The result of a call is not in the store, where its node has put it. It is looked for again when the
    /// node says again that it is there, some times; then the broker has lost it, and the call is begun
    /// again, unless that was done too often.
    ///
    /// A node that does not have the call any more, as far as is known, may forget what it says: another one
    /// has begun it since.
    pub(super) fn missed(&self, number: u64, node: &str, is_missing: bool) -> Missed {
        let mut state = self.lock();
        let Some(flight) = state.flights.get_mut(&number) else { return Missed::Ended };
        flight.fetching = false;
        if flight.node() != node {
            return Missed::Ended;
        }
        flight.missed += u32::from(is_missing);
        if flight.missed < MISSES {
            return Missed::Wait;
        }
        if flight.withdrawn || flight.begun.times() >= self.cluster.attempts {
            let node = flight.node();
            let reason = format!("the broker has lost its result, which node {node} had");
            self.end(state, number, JoinError::NodeLost { reason });
            return Missed::Ended;
        }
        // Its node has ended it, and nobody has to wait for that one.
        flight.missed = 0;
        flight.begun.release();
        state.send_again(number);
        Missed::Send
    }
}
