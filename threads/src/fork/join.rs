//! Two closures that may run at the same time.

use super::branch::Branch;
use super::context::Context;
use super::enrolled;
use crate::cancel;

/// Calls both closures, perhaps at the same time, and returns both results.
///
/// `a` runs on the calling thread, at once; `b` runs after it on the same thread, or
/// at the same time on a worker of the pool that the caller belongs to (as a worker, or by
/// [`Pool::install`](crate::Pool::install)), else of [`Pool::global`](crate::Pool::global).
/// Forking costs about as much as two calls, so that recursion can go down to pieces of some
/// tens of nanoseconds: `b` is given away only when a worker has nothing to do, the oldest
/// fork first, and not more often than pays.
///
/// So the two must not wait for each other: whether they run at the same time is not
/// promised. A lock may be held across a `join` if neither closure needs it. While the
/// caller waits for `b`, it runs what belongs to `b`, and nothing else.
///
/// With a cancelled [`CancelToken`](crate::CancelToken) around it, it unwinds with
/// [`Cancelled`](crate::Cancelled), now or later; see
/// [`CancelToken::run`](crate::CancelToken::run).
///
/// # Panics
///
/// If `a` panics, so does this, when `b` was dropped or has ended. If `b` panics, so does
/// this, when `a` has ended. If both do, the panic is that of `a`.
///
/// ```
/// fn sum(xs: &[u64]) -> u64 {
///     if let [x] = xs {
///         return *x;
///     }
///     let (left, right) = xs.split_at(xs.len() / 2);
///     let (left, right) = threads::join(|| sum(left), || sum(right));
///     left + right
/// }
///
/// assert_eq!(sum(&[1, 2, 3, 4]), 10);
/// ```
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    Context::with(|context| match context {
        Some(context) => join_in(context, a, b),
        None => enrolled(|context| join_in(context, a, b)),
    })
}

/// A join in this context.
#[inline]
fn join_in<A, B, RA, RB>(context: &Context, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    if context.is_direct() {
        context.tick();
        let a = a();
        (a, b())
    } else {
        join_on_stack(context, a, b)
    }
}

/// A join whose second closure others may have.
#[inline(never)]
fn join_on_stack<A, B, RA, RB>(context: &Context, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    cancel::checkpoint();
    if context.is_full() {
        let a = a();
        return (a, b());
    }
    let branch = Branch::new(context, b);
    let (a, b) = branch.call_on_top(context, a);
    (a, b.finish())
}

/// Like [`join`], but lets others have `b` at once: the caller has seen [`demand`].
pub(crate) fn join_shared<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    join(
        || {
            Context::with(|context| context.into_iter().for_each(Context::offer_oldest));
            a()
        },
        b,
    )
}

/// Whether some worker has nothing to do, and it is worth giving it something: what is
/// split now pays for waking it.
pub(crate) fn demand() -> bool {
    Context::with(|context| context.is_some_and(Context::demand))
}

/// Unwinds with [`Cancelled`](crate::Cancelled) if the token of the running job was
/// cancelled.
pub(crate) fn checkpoint() {
    cancel::checkpoint();
}
