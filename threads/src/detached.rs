//! A job without a handle: nobody waits for its end, so all there is of it is its closure.

use crate::cancel;
use crate::error::{Cancelled, JoinError, Outcome};
use crate::home::{Home, Place};
use crate::hook::PanicOrigin;
use crate::job::Run;
use crate::primitives::{Mutex, lock};
use crate::unwind::{catch, drop_and_report, drop_quietly};
use std::sync::PoisonError;

/// A closure in a queue.
pub(crate) struct Detached<F> {
    /// The closure, until somebody takes it. Only locked by who discards it: workers have the
    /// only reference.
    closure: Mutex<Option<F>>,
    /// Where it runs.
    home: Home,
}

impl<F> Detached<F> {
    /// A job that is queued, or will be in a moment.
    pub(crate) fn new(closure: F, home: Home) -> Self {
        Self { closure: Mutex::new(Some(closure)), home }
    }
}

impl<F: FnOnce() + Send> Detached<F> {
    /// Calls the closure, and counts and reports how it went.
    fn call(closure: F, place: &Place<'_>) {
        place.count_start();
        let result = {
            let _inside = place.is_nested.then(|| cancel::enter(None));
            catch(closure)
        };
        let outcome = match &result {
            Ok(()) => Outcome::Returned,
            Err(payload) if payload.is::<Cancelled>() => Outcome::Cancelled,
            Err(payload) => {
                place.report(PanicOrigin::Job, &**payload);
                Outcome::Panicked
            }
        };
        place.count_end(outcome);
        drop_quietly(result);
    }
}

impl<F: FnOnce() + Send> Run for Detached<F> {
    fn run(&self, place: &Place<'_>) -> bool {
        let closure = lock(&self.closure).take();
        closure.is_some_and(|closure| {
            Self::call(closure, place);
            true
        })
    }

    fn run_detached(&mut self, place: &Place<'_>) {
        let closure = self.closure.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(closure) = closure {
            Self::call(closure, place);
        }
    }

    fn discard(&self, _error: JoinError) -> bool {
        let closure = lock(&self.closure).take();
        closure.is_some_and(|closure| {
            self.home.pool().iter().for_each(|shared| shared.count_discard());
            drop_and_report(closure, |payload| self.home.report(PanicOrigin::Drop, payload));
            true
        })
    }

    fn is_queued(&self) -> bool {
        lock(&self.closure).is_some()
    }

    fn runner(&self) -> Option<u64> {
        None // Nobody can wait for it.
    }

    fn home(&self) -> &Home {
        &self.home
    }
}
