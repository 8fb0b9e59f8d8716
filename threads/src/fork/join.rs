//! Two closures that may run at the same time.

/// Calls both closures, perhaps at the same time, and returns both results.
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    let a = a();
    (a, b())
}

/// Like [`join`], but lets others have `b` at once: the caller has seen [`demand`].
pub(crate) fn join_shared<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    join(a, b)
}

/// Whether some worker has nothing to do, and it is worth giving it something: what is
/// split now pays for waking it.
pub(crate) fn demand() -> bool {
    false
}

/// Unwinds with [`Cancelled`](crate::Cancelled) if the token of the running job was
/// cancelled.
pub(crate) fn checkpoint() {}

/// Calls `f` once on each worker of the current pool, with the number of the worker.
pub fn broadcast<F, R>(f: F) -> Vec<R>
where
    F: Fn(usize) -> R + Sync,
    R: Send,
{
    vec![f(0)]
}
