//! Whether the workers of a node can be started.
//!
//! When they cannot (no process, memory or descriptor is left), the pool of the node fails each call at once,
//! as [broken](JoinError::Broken). That says nothing about the call, which no worker has seen, and such a node
//! would be the fastest of all: it would fetch the calls of the whole cluster, to fail them. So it gives them
//! back, as calls that it has not begun, and fetches none until a call of its own has come through: one that
//! does nothing. The pool starts a worker for that after pauses that grow, see `core::breaker`.
//!
//! A node that has no memory for an argument may have some for the next one, and goes on fetching. It refuses
//! the call, which costs no attempt, and which its client does not give up while others may serve it (see
//! `client::refusals`).

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use tokio::time::sleep;

use crate::call::{Argument, Call};
use crate::error::{JoinError, Side};

use super::super::wire::{CallHead, End, News, Report};
use super::run::{Desk, PAUSE};

/// Whether the workers of a node can be started, as far as its calls show.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// True when they cannot.
    is_broken: Cell<bool>,
}

/// Why a node has not executed a call, although it was to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unable {
    /// It has no workers.
    Broken(String),
    /// It has no memory, or no descriptor, for its argument.
    Short(String),
}

impl Health {
    /// Whether workers cannot be started.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }
}

/// Whether no worker has begun a call which has ended like this: it was cancelled, or there was none. Of one
/// that is run again when its worker is lost, that does not follow.
pub(super) fn has_not_run(report: &Report) -> bool {
    let is_cancelled = |error: &JoinError| matches!(error, JoinError::Cancelled);
    let was_cancelled = match report {
        Report::One(outcome) => outcome.as_ref().err().is_some_and(is_cancelled),
        Report::Items { parts, .. } => {
            parts.iter().all(|part| matches!(&part.end, End::Failed(error) if is_cancelled(error)))
        }
    };
    was_cancelled || Unable::of(report).is_some()
}

impl Unable {
    /// That of a call which has ended like this. None: workers have executed it, or some of its items.
    ///
    /// Items that workers have executed keep their results, so those that travelled with them and were not
    /// executed, because the last worker was lost meanwhile, are told that.
    pub(super) fn of(report: &Report) -> Option<Self> {
        match report {
            Report::One(outcome) => Self::of_error(outcome.as_ref().err()?),
            Report::Items { parts, .. } => {
                let mut all = parts.iter().map(|part| match &part.end {
                    End::Failed(error) => Self::of_error(error),
                    End::Values(_) | End::Value(_) => None,
                });
                let first = all.next()??;
                all.all(|unable| unable.is_some()).then_some(first)
            }
        }
    }

    /// That of a single one.
    fn of_error(error: &JoinError) -> Option<Self> {
        match error {
            JoinError::Broken { reason } => Some(Self::Broken(reason.clone())),
            // It is encoded: what is missing is room for it.
            JoinError::Encode { side: Side::Parent, message } => Some(Self::Short(message.clone())),
            _ => None,
        }
    }
}

/// The call of a node that does nothing.
fn nothing(_nothing: ()) {}

impl Desk {
    /// A call was begun, as its client says with this attempt, and not executed: others are to have it.
    ///
    /// One that its worker could have been lost with, because it may be run again here, counts as begun.
    pub(super) fn could_not(self: &Rc<Self>, call: &CallHead, attempt: u64, unable: Unable) {
        let unbegun = (!call.retry.is_any()).then_some(attempt);
        if let Some(attempt) = unbegun {
            self.outbox.unbegun.note(call.id, attempt);
        }
        self.tell(call.id, News::NotHere { unbegun });
        match unable {
            Unable::Broken(reason) => self.breaks(&reason),
            Unable::Short(why) => self.tell(call.id, News::Refused(why)),
        }
    }

    /// The workers cannot be started, for this reason.
    fn breaks(self: &Rc<Self>, reason: &str) {
        if self.health.is_broken.replace(true) {
            return;
        }
        self.note(&format!("its workers cannot be started, and it takes no calls: {reason}"));
        let recovers = Rc::clone(self).recovers();
        drop(self.failure.watch("find out whether workers can be started", recovers));
    }

    /// Waits until a worker has executed a call that does nothing.
    async fn recovers(self: Rc<Self>) {
        self.say().await;
        while self.executes_nothing().await.is_err() {
            sleep(PAUSE).await;
        }
        self.health.is_broken.set(false);
        self.note("its workers can be started again");
        self.shelf.eased.notify_one();
        self.say().await;
    }

    /// Has a worker execute nothing.
    ///
    /// # Errors
    /// There is none, and none can be started.
    async fn executes_nothing(&self) -> Result<(), Unable> {
        let engine = self.pool.engine();
        let call = Call::new(nothing, &(), engine.ways(), None);
        // A function without an address has nobody to try, so a call of a client does.
        let Ok((call, ticket)) = call else { return Ok(()) };
        debug_assert!(matches!(call.argument, Argument::Inline(_)), "it needs no room");
        engine.submit(call);
        let end = poll_fn(|context| ticket.poll(context)).await;
        end.err().and_then(|error| Unable::of_error(&error)).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::Part;
    use super::*;

    #[test]
    fn what_no_worker_has_seen_is_told_from_what_has_failed() {
        let broken = || JoinError::Broken { reason: "no process is left".to_owned() };
        let encode = |side| JoinError::Encode { side, message: "no memory".to_owned() };
        let of = |error| Unable::of(&Report::One(Err(error)));
        assert_eq!(of(broken()), Some(Unable::Broken("no process is left".to_owned())));
        assert_eq!(of(encode(Side::Parent)), Some(Unable::Short("no memory".to_owned())));
        assert_eq!(of(encode(Side::Worker)), None, "its result could not be encoded");
        assert_eq!(of(JoinError::Cancelled), None);
        assert_eq!(Unable::of(&Report::One(Ok(()))), None);
        let items = |ends: &[End]| {
            let part = |(first, end): (u16, &End)| Part { first, count: 1, end: end.clone() };
            let parts = (0..).zip(ends).map(part).collect();
            Unable::of(&Report::Items { parts, timing: None })
        };
        let failed = || End::Failed(broken());
        assert!(items(&[failed(), failed()]).is_some());
        assert_eq!(items(&[failed(), End::Value(1)]), None, "one was executed");
        assert_eq!(items(&[End::Values(1), failed()]), None, "one was executed");
        assert_eq!(items(&[]), None);
    }

    #[test]
    fn what_was_cancelled_has_not_run() {
        let one = |error| has_not_run(&Report::One(Err(error)));
        let broken = || JoinError::Broken { reason: "no process is left".to_owned() };
        let lost = || JoinError::NodeLost { reason: "it ran".to_owned() };
        assert!(one(JoinError::Cancelled) && one(broken()));
        assert!(!one(lost()) && !has_not_run(&Report::One(Ok(()))));
        let items = |ends: &[End]| {
            let part = |(first, end): (u16, &End)| Part { first, count: 1, end: end.clone() };
            let parts = (0..).zip(ends).map(part).collect();
            has_not_run(&Report::Items { parts, timing: None })
        };
        let cancelled = || End::Failed(JoinError::Cancelled);
        assert!(items(&[cancelled(), cancelled()]) && items(&[End::Failed(broken())]));
        assert!(!items(&[cancelled(), End::Value(1)]) && !items(&[End::Values(1)]));
        assert!(!items(&[cancelled(), End::Failed(lost())]));
    }
}
