//! Who takes part in an operation.

use crate::fork;

/// Those who may take what an operation gives away: the workers of the current pool, or,
/// in tests, ones with habits that are chosen.
pub(super) trait Workers: Copy + Send + Sync {
    /// Whether somebody has nothing to do, and giving it something pays.
    fn demand(self) -> bool;

    /// Unwinds if the running job was cancelled.
    fn checkpoint(self);

    /// Calls both; somebody else may begin `b` if it turns out that they are idle.
    fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send;

    /// Calls both, and lets others have `b` at once.
    fn join_shared<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send;
}

/// The workers of the current pool. Only [`current`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current(());

/// Calls `f` with the workers of the pool that the caller belongs to, else with those of the
/// global one, to which it then belongs meanwhile.
pub(super) fn current<R>(f: impl FnOnce(Current) -> R) -> R {
    fork::enrolled(|_context| f(Current(())))
}

impl Workers for Current {
    fn demand(self) -> bool {
        fork::demand()
    }

    fn checkpoint(self) {
        fork::checkpoint();
    }

    fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send,
    {
        fork::join(a, b)
    }

    fn join_shared<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send,
    {
        fork::join_shared(a, b)
    }
}
