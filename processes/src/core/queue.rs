//! The queue: calls that no worker has.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::call::Call;
use crate::harvest::Harvest;

use super::locked::Remains;

/// Calls that no worker has, in the order in which they are to be sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// May hold tombstones: single calls that were cancelled since; never more of them than calls.
    calls: VecDeque<Call>,
    /// Calls that are no tombstones.
    len: usize,
    /// Their items; a single call is one.
    items: usize,
}

impl Queue {
    /// How many calls there are, and frames of items.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// True when there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many results are expected of what is here.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// Appends a call.
    pub(super) fn push_back(&mut self, call: Call) {
        self.count(&call);
        self.calls.push_back(call);
    }

    /// Puts a call before all others.
    pub(super) fn push_front(&mut self, call: Call) {
        self.count(&call);
        self.calls.push_front(call);
    }

    /// One more.
    fn count(&mut self, call: &Call) {
        self.len += 1;
        self.items += usize::from(call.items());
    }

    /// One less.
    fn discount(&mut self, call: &Call) {
        self.len -= 1;
        self.items -= usize::from(call.items());
    }

    /// Takes the first call that was not cancelled; tombstones before it come to the remains.
    pub(super) fn pop(&mut self, remains: &mut Remains) -> Option<Call> {
        while let Some(call) = self.calls.pop_front() {
            if call.target.is_queued() {
                self.discount(&call);
                return Some(call);
            }
            remains.calls.push(call);
        }
        None
    }

    /// A single call in the queue was cancelled: it stays as a tombstone. When there are more of
    /// those than of calls they are taken out, to be dropped without the lock: their arguments may
    /// take much memory, and their turn may be far away.
    pub(super) fn bury_one(&mut self) -> Vec<Call> {
        self.len -= 1;
        self.items -= 1;
        if self.calls.len() <= 2 * self.len {
            return Vec::new();
        }
        let (calls, tombstones): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.calls).into_iter().partition(|call| call.target.is_queued());
        self.calls = calls;
        Vec::from(tombstones)
    }

    /// Takes everything that was not cancelled; tombstones come to the remains.
    pub(super) fn take_all(&mut self, remains: &mut Remains) -> Vec<Call> {
        let all = std::mem::take(self).calls.into_iter();
        let (calls, tombstones): (Vec<_>, Vec<_>) = all.partition(|call| call.target.is_queued());
        remains.calls.extend(tombstones);
        calls
    }

    /// Takes the frames of a map out.
    pub(super) fn take_of(&mut self, harvest: &Arc<Harvest>) -> Vec<Call> {
        let mut taken = Vec::new();
        for call in std::mem::take(&mut self.calls) {
            if call.target.belongs_to(harvest) {
                self.discount(&call);
                taken.push(call);
            } else {
                self.calls.push_back(call);
            }
        }
        taken
    }
}
