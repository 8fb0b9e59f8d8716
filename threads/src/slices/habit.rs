//! Workers of tests: whether and how operations are divided is chosen.

use crate::Cancelled;
use crate::slices::workers::Workers;
use crate::unwind::catch;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// When workers have nothing to do, and what they do then.
#[derive(Clone, Copy, Debug)]
pub(super) enum Habit<'a> {
    /// Nobody else is there.
    Alone,
    /// Everything is divided. The near half comes first.
    Forwards,
    /// Everything is divided. The far half comes first.
    Backwards,
    /// Something is divided now and then, and done by a thread of its own.
    Threads,
    /// Everything is divided, and cancelled when this counter has come down to zero.
    Cancelled(&'a AtomicUsize),
}

/// All that do not cancel.
pub(super) const HABITS: [Habit<'static>; 4] =
    [Habit::Alone, Habit::Forwards, Habit::Backwards, Habit::Threads];

impl Workers for Habit<'_> {
    fn demand(self) -> bool {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        match self {
            Self::Alone => false,
            Self::Threads => ASKED.fetch_add(1, Relaxed) % 5 == 2,
            _ => true,
        }
    }

    fn checkpoint(self) {
        if let Self::Cancelled(left) = self
            && left.fetch_sub(1, Relaxed) == 1
        {
            resume_unwind(Box::new(Cancelled));
        }
    }

    fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send,
    {
        if self.demand() { self.join_shared(a, b) } else { (a(), b()) }
    }

    fn join_shared<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send,
    {
        // Like a pool, it ends both before it unwinds.
        let (a, b) = match self {
            Self::Threads => thread::scope(|scope| {
                let b = scope.spawn(b);
                (catch(a), b.join())
            }),
            Self::Backwards => {
                let b = catch(b);
                (catch(a), b)
            }
            _ => (catch(a), catch(b)),
        };
        match (a, b) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(payload), _) | (_, Err(payload)) => resume_unwind(payload),
        }
    }
}
