//! The ordered, lazy map.

use crate::ahead::{Ahead, Item, MapTimedOut, Window};
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::handle::JoinHandle;
use crate::options::Priority;
use crate::pool::Pool;
use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

/// Results in the order of the inputs; from [`Pool::map`].
///
/// A panicking job is an `Err` in its place, and the rest goes on. Dropping the
/// iterator cancels the jobs that are still queued; those that run, run to their
/// end.
///
/// It borrows the pool, which therefore cannot be shut down under it:
///
/// ```compile_fail,E0505
/// let pool = threads::Pool::new(1).unwrap();
/// let mut squares = pool.map(|x: u64| x * x, 0..3);
/// pool.shutdown();
/// squares.next();
/// ```
#[must_use = "a map is lazy: nothing runs until it is iterated"]
pub struct Map<'pool, F, I: Iterator, R> {
    /// What is not submitted yet.
    rest: Ahead<'pool, F, I>,
    /// Submitted and not yet returned, oldest first.
    ahead: VecDeque<JoinHandle<R>>,
}

impl<R> Window<R> for VecDeque<JoinHandle<R>> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn is_ready(&self) -> bool {
        self.front().is_some_and(JoinHandle::is_finished)
    }

    fn push(&mut self, handle: JoinHandle<R>) {
        self.push_back(handle);
    }
}

impl<'pool, F, I: Iterator, R> Map<'pool, F, I, R> {
    /// A map that has not begun.
    pub(crate) fn new(pool: &'pool Pool, f: F, xs: I) -> Self {
        Self { rest: Ahead::new(pool, f, xs), ahead: VecDeque::new() }
    }

    /// How many jobs may be ahead of what was returned: queued, running, or done
    /// and waiting for their turn. Default: 16 for each worker. Zero means one.
    ///
    /// They are submitted when `next` would wait, or when half of them have been
    /// returned, whichever comes first. In a pool with a bound
    /// ([`Builder::queue_bound`](crate::Builder::queue_bound)), there are never more
    /// than fit.
    pub fn buffer(mut self, jobs: usize) -> Self {
        self.rest.buffer = jobs.max(1);
        self
    }

    /// Cancels the jobs with this token: those that are ahead and queued yield
    /// [`Cancelled`](crate::JoinError::Cancelled), and the rest is not submitted. In place of
    /// the rest, however much it is, there is one such error, and then the map ends. So
    /// `collect::<Result<Vec<_>, _>>()` is never taken for complete when it is not. (An iterator
    /// that has ended without it being known, and does not say so by its `size_hint`, counts as
    /// if there were more: after the token was cancelled, it is not asked.)
    ///
    /// Without it, the token of the job that iterates counts, or of the
    /// [`CancelToken::run`] around it, if there is one.
    ///
    /// ```
    /// use threads::{CancelToken, JoinError, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let token = CancelToken::new();
    /// let mut numbers = pool.map(|x: u64| x, 0..).token(&token);
    /// assert_eq!(numbers.next().unwrap()?, 0);
    /// token.cancel();
    /// let rest: Result<Vec<u64>, JoinError> = numbers.collect();
    /// assert!(matches!(rest, Err(JoinError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.rest.set_token(token);
        self
    }

    /// The priority of the jobs.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.rest.set_priority(priority);
        self
    }
}

impl<F, I, R> Map<'_, F, I, R>
where
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    I: Iterator,
    I::Item: Send + 'static,
    R: Send + 'static,
{
    /// Like `next`, but waits for the next result no longer than `limit`.
    ///
    /// # Errors
    ///
    /// When time is over. Nothing is lost: the result comes with a later call.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Item<R>>, MapTimedOut> {
        let deadline = Deadline::after(limit);
        if self.rest.top_up(&mut self.ahead, deadline) {
            return Err(MapTimedOut { limit });
        }
        match self.ahead.pop_front().map(|front| front.join_before(deadline)) {
            None => Ok(self.rest.take_cut()),
            Some(Ok(result)) => Ok(Some(result)),
            Some(Err(front)) => {
                self.ahead.push_front(front);
                Err(MapTimedOut { limit })
            }
        }
    }
}

impl<F, I, R> Iterator for Map<'_, F, I, R>
where
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    I: Iterator,
    I::Item: Send + 'static,
    R: Send + 'static,
{
    type Item = Item<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.top_up(&mut self.ahead, Deadline::Never);
        self.ahead.pop_front().map(JoinHandle::join).or_else(|| self.rest.take_cut())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint(self.ahead.len())
    }
}

impl<F, I, R> FusedIterator for Map<'_, F, I, R>
where
    I: Iterator,
    Self: Iterator,
{
}

impl<F, I: Iterator, R> Drop for Map<'_, F, I, R> {
    fn drop(&mut self) {
        for handle in &self.ahead {
            handle.cancel();
        }
    }
}

impl<F, I: Iterator, R> fmt::Debug for Map<'_, F, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("ahead", &self.ahead)
            .field("buffer", &self.rest.buffer)
            .finish_non_exhaustive()
    }
}
