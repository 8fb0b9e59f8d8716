//! What is to happen when.

use std::{collections::BTreeMap, time::Instant};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The connection with this key has something to do: answer, or stop waiting for its peer.
    Connection(usize),
    /// Try to accept connections again.
    Accepting,
    /// The server has waited long enough for its last answers.
    End,
}

/// Names a timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId {
    /// When it is due: first, so that timers sort by time.
    due: Instant,
    /// Tells timers of the same instant apart, in the order they were set.
    sequence: u64,
}

/// All timers that are set, sorted by time.
///
/// A search tree and not a binary heap, because a timer can be cancelled: the number of entries is
/// bounded by the number of connections even when peers send requests and reset at once.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// What is due when.
    entries: BTreeMap<TimerId, Due>,
    /// The sequence number of the next timer.
    next_sequence: u64,
}

impl Timers {
    /// Sets a timer.
    pub(crate) fn set(&mut self, due: Instant, what: Due) -> TimerId {
        let id = TimerId { due, sequence: self.next_sequence };
        self.next_sequence += 1;
        self.entries.insert(id, what);
        id
    }

    /// Takes a timer away; one that has already come up is gone anyway.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        self.entries.remove(&id);
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(id, _)| id.due)
    }

    /// Takes the earliest timer if it is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().due <= now)?;
        Some(entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Due, Timers};

    #[test]
    fn come_up_in_order_and_not_early() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let later = now + Duration::from_millis(1);
        timers.set(later, Due::Connection(2));
        timers.set(now, Due::Connection(1));
        timers.set(later, Due::Accepting);
        assert_eq!(timers.next_due(), Some(now));
        assert_eq!(timers.pop_due(now), Some(Due::Connection(1)));
        assert_eq!(timers.pop_due(now), None);
        assert_eq!(timers.pop_due(later), Some(Due::Connection(2)));
        assert_eq!(timers.pop_due(later), Some(Due::Accepting));
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn cancelled_ones_are_gone() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let first = timers.set(now, Due::Connection(1));
        timers.set(now, Due::End);
        timers.cancel(first);
        assert_eq!(timers.pop_due(now), Some(Due::End));
        assert_eq!(timers.entries.len(), 0);
        timers.cancel(first);
    }
}
