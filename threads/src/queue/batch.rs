//! Many values at a time, for one turn with the mutex.

use super::core::{Core, Refused, State};
use super::primitives::Deadline;
use super::storage::Storage;
use super::waiter::Wakes;
use std::sync::atomic::Ordering::Relaxed;
use std::vec;

impl<S: Storage> Core<S> {
    /// Puts all of the values, in order; waits for places if there is a deadline. Gives
    /// those back that were not put.
    pub(super) fn put_many(
        &self,
        values: Vec<S::Item>,
        deadline: Option<Deadline>,
    ) -> Result<(), (Vec<S::Item>, Refused)> {
        let mut rest = values.into_iter();
        loop {
            // Another thread may be served between this and the next step, which finds out.
            self.put_some(&mut rest);
            let Some(next) = rest.next() else { return Ok(()) };
            if let Err((next, refused)) = self.put(next, deadline) {
                let mut back = Vec::with_capacity(1 + rest.len());
                back.push(next);
                back.extend(rest);
                return Err((back, refused));
            }
        }
    }

    /// Gets at least one value and at most `most`; waits for the first if there is a
    /// deadline.
    pub(super) fn get_many(
        &self,
        most: usize,
        deadline: Option<Deadline>,
    ) -> Result<Vec<S::Item>, Refused> {
        if most == 0 {
            return Ok(Vec::new());
        }
        self.get(deadline, |state: &mut State<S>, wakes: &mut Wakes| {
            let mut values = Vec::with_capacity(most.min(state.values.len()));
            while values.len() < most
                && let Some(value) = state.take(wakes)
            {
                values.push(value);
            }
            (!values.is_empty()).then_some(values)
        })
    }

    /// Puts as many values as there are places for; none if the queue is shut down.
    fn put_some(&self, values: &mut vec::IntoIter<S::Item>) {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        let places = if state.shut_down { 0 } else { self.capacity - state.values.len() };
        for value in values.by_ref().take(places) {
            if state.push(value, self.capacity, &mut wakes).is_err() {
                unreachable!("there is a place, and the queue is not shut down");
            }
        }
        self.len.store(state.values.len(), Relaxed);
    }
}
