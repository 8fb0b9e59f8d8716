//! Attempts that this node has asked for and not begun.
//!
//! A client counts an attempt before it says that the call may begin. When that answer does not come, the
//! node gives the call back, and the client may have counted what never was. It is told so at once; but who
//! does not answer may not hear, either. So the attempt is remembered here, and the client is told again with
//! the next question about the call. Until it has begun, the call has no other attempt here: a client that
//! has counted it does not count it again.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use super::super::wire::CallId;

/// The most that are remembered. Of one that is forgotten the client may believe that it was begun.
const MOST: usize = 8192;

/// Attempts that were asked for and not begun.
#[derive(Debug, Default)]
pub(super) struct Unbegun(RefCell<Known>);

/// What is remembered.
#[derive(Debug, Default)]
struct Known {
    /// The attempt, by its call.
    attempts: HashMap<CallId, u64>,
    /// The order in which they came.
    order: VecDeque<CallId>,
}

impl Unbegun {
    /// An attempt was asked for, and is not begun.
    pub(super) fn note(&self, id: CallId, attempt: u64) {
        let Known { attempts, order } = &mut *self.0.borrow_mut();
        if attempts.insert(id, attempt).is_none() {
            order.push_back(id);
        }
        if order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            attempts.remove(&oldest);
        }
    }

    /// The attempt of this call that was asked for and not begun.
    pub(super) fn of(&self, id: CallId) -> Option<u64> {
        self.0.borrow().attempts.get(&id).copied()
    }

    /// The call begins, or has ended.
    pub(super) fn forget(&self, id: CallId) {
        let Known { attempts, order } = &mut *self.0.borrow_mut();
        if attempts.remove(&id).is_some() {
            order.retain(|known| *known != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_attempts_are_remembered_until_they_begin() {
        let unbegun = Unbegun::default();
        let id = |number| CallId { client: 1, number };
        for number in 0..2 * MOST as u64 {
            unbegun.note(id(number), number + 7);
            unbegun.note(id(number), number + 7);
        }
        let (oldest, newest) = (id(MOST as u64), id(2 * MOST as u64 - 1));
        assert_eq!(unbegun.of(id(MOST as u64 - 1)), None);
        assert_eq!(unbegun.of(oldest), Some(MOST as u64 + 7));
        unbegun.forget(newest);
        assert_eq!((unbegun.of(newest), unbegun.0.borrow().order.len()), (None, MOST - 1));
        unbegun.note(newest, 3);
        assert_eq!((unbegun.of(newest), unbegun.of(oldest)), (Some(3), Some(MOST as u64 + 7)));
    }
}
