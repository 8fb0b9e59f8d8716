//! Many values with one call: for a store with a mutex, in one turn with it.

use super::core::Core;
use super::primitives::Deadline;
use super::store::{Refused, Store};

impl<S: Store> Core<S> {
    /// Puts all of the values, in order; waits for places if there is a deadline. Gives
    /// those back that were not put.
    pub(super) fn put_many(
        &self,
        values: Vec<S::Item>,
        deadline: Option<Deadline>,
    ) -> Result<(), (Vec<S::Item>, Refused)> {
        let mut rest = values.into_iter();
        while let Some(first) = rest.next() {
            let done = match (self.push_many(first, &mut rest), deadline) {
                (Err((value, Refused::NotNow)), Some(deadline)) => self.put_later(value, deadline),
                (done, _) => done,
            };
            if let Err((value, refused)) = done {
                let mut back = Vec::with_capacity(1 + rest.len());
                back.push(value);
                back.extend(rest);
                return Err((back, refused));
            }
        }
        Ok(())
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
        self.get_with(deadline, || self.pop_many(most))
    }
}
