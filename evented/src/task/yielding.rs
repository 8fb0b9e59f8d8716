//! Letting others run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::current;

/// Goes to the end of the queue of the task's class. Tasks of that class and of higher ones that are
/// ready run first.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// Future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    /// It has been to the end of the queue.
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Lets others run, as [`yield_now`] does, but only if that is called for: a task of a more urgent rank
/// is ready or its timer is due; another thread has sent something; or the task has used up its slice of
/// time in this poll, counted from the first call in it. The slice is that of its class
/// ([`ClassSpec::slice`](crate::ClassSpec::slice)), 200 microseconds without one, and no longer than the
/// [`latency`](crate::ClassSpec::latency) of more urgent tasks that wait for a descriptor.
///
/// For work that awaits nothing. Between two calls it should take a few microseconds; to call it more
/// often costs a few nanoseconds, for the clock is looked at less often then. Ready at once outside a
/// reactor.
///
/// ```
/// # evented::block_on(async {
/// let mut sum = 0_u64;
/// for n in 0..10_000 {
///     sum += n;
///     evented::yield_if_needed().await;
/// }
/// assert_eq!(sum, 49_995_000);
/// # });
/// ```
pub fn yield_if_needed() -> YieldIfNeeded {
    YieldIfNeeded { asked: false }
}

/// Future of [`yield_if_needed`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldIfNeeded {
    /// It has asked, and has been to the end of the queue if it had to.
    asked: bool,
}

impl Future for YieldIfNeeded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.asked || !current::is_yield_needed() {
            return Poll::Ready(());
        }
        self.asked = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// An iterator of which each item gives others the chance to run, see [`yield_if_needed`].
///
/// ```
/// # evented::block_on(async {
/// let mut squares = evented::cooperate((0..10_000_u64).map(|n| n * n));
/// let mut sum = 0;
/// while let Some(square) = squares.next().await {
///     sum += square;
/// }
/// assert_eq!(sum, 333_283_335_000);
/// # });
/// ```
pub fn cooperate<I: IntoIterator>(items: I) -> Cooperate<I::IntoIter> {
    Cooperate { items: items.into_iter() }
}

/// See [`cooperate`].
#[derive(Clone, Debug)]
#[must_use = "nothing is computed unless items are asked for"]
pub struct Cooperate<I> {
    items: I,
}

impl<I: Iterator> Cooperate<I> {
    /// The next item. Others may run before it is computed; when the future is dropped meanwhile, it is
    /// not.
    pub async fn next(&mut self) -> Option<I::Item> {
        yield_if_needed().await;
        self.items.next()
    }

    /// Calls `f` with each item that is left.
    pub async fn for_each(mut self, mut f: impl FnMut(I::Item)) {
        while let Some(item) = self.next().await {
            f(item);
        }
    }
}
