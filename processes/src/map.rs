//! Many calls of one function.

use std::collections::VecDeque;
use std::fmt;
use std::iter::{Fuse, FusedIterator};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::completed::AsCompleted;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::pool::Pool;

/// Calls in flight for each worker unless [`Map::buffer`] says otherwise.
const AHEAD_PER_WORKER: usize = 16;

/// Time was over before the next result of a map was there; from [`Map::next_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("get the next result of a map within {limit:?}")]
#[non_exhaustive]
pub struct MapTimedOut {
    /// The limit that was exceeded.
    pub limit: Duration,
}

/// What both kinds of map begin with: items that become calls, a bounded number ahead.
struct Feed<'p, I: Iterator, R> {
    /// Where the calls go.
    pool: &'p Pool,
    /// The function.
    function: fn(I::Item) -> R,
    /// Items that were not sent.
    items: Fuse<I>,
    /// How many calls may be sent and not given back; at least 1.
    buffer: usize,
}

impl<'p, I: Iterator, R> Feed<'p, I, R> {
    /// With the usual look-ahead.
    fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        let buffer = pool.workers().saturating_mul(AHEAD_PER_WORKER);
        Self { pool, function, items: items.fuse(), buffer }
    }

    /// How many results are still to come when `sent` calls were sent and not given back.
    fn size_hint(&self, sent: usize) -> (usize, Option<usize>) {
        let (least, most) = self.items.size_hint();
        (least.saturating_add(sent), most.and_then(|most| most.checked_add(sent)))
    }
}

impl<I, R> Feed<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends the next item, unless `sent` calls are enough or no item is left.
    fn next_call(&mut self, sent: usize) -> Option<JoinHandle<R>> {
        if sent >= self.buffer {
            return None;
        }
        let item = self.items.next()?;
        Some(self.pool.submit(self.function, item))
    }
}

/// The results of [`Pool::map`], in the order of the items.
#[must_use = "nothing is sent before the first `next`"]
pub struct Map<'p, I: Iterator, R> {
    /// Makes the calls.
    feed: Feed<'p, I, R>,
    /// Calls that were sent and not given back, oldest first.
    sent: VecDeque<JoinHandle<R>>,
}

impl<'p, I: Iterator, R> Map<'p, I, R> {
    /// Nothing is sent yet.
    pub(crate) fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        Self { feed: Feed::new(pool, function, items), sent: VecDeque::new() }
    }

    /// How many items may be taken ahead of what was consumed; at least 1. The default is 16 for
    /// each worker.
    pub fn buffer(mut self, n: usize) -> Self {
        self.feed.buffer = n.max(1);
        self
    }
}

impl<I, R> Map<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends as many calls as may be ahead.
    fn top_up(&mut self) {
        while let Some(call) = self.feed.next_call(self.sent.len()) {
            self.sent.push_back(call);
        }
    }

    /// Like `next`, but waits for the next result no longer than `limit`.
    ///
    /// # Errors
    /// When time is over. Nothing is lost: the result comes with a later call.
    pub fn next_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Result<R, JoinError>>, MapTimedOut> {
        self.top_up();
        match self.sent.pop_front().map(|front| front.join_timeout(limit)) {
            None => Ok(None),
            Some(Ok(result)) => Ok(Some(result)),
            Some(Err(front)) => {
                self.sent.push_front(front);
                Err(MapTimedOut { limit })
            }
        }
    }
}

impl<I, R> Iterator for Map<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.top_up();
        self.sent.pop_front().map(JoinHandle::join)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint(self.sent.len())
    }
}

impl<I, R> FusedIterator for Map<'_, I, R>
where
    I: Iterator,
    Self: Iterator,
{
}

impl<I: Iterator, R> Drop for Map<'_, I, R> {
    fn drop(&mut self) {
        // Last first, so that a worker does not start what is cancelled a moment later.
        for handle in self.sent.iter().rev() {
            handle.cancel();
        }
    }
}

impl<I: Iterator, R> fmt::Debug for Map<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("sent", &self.sent.len())
            .field("buffer", &self.feed.buffer)
            .finish_non_exhaustive()
    }
}

/// The results of [`Pool::map_unordered`], as they are finished.
#[must_use = "nothing is sent before the first `next`"]
pub struct MapUnordered<'p, I: Iterator, R> {
    /// Makes the calls.
    feed: Feed<'p, I, R>,
    /// Calls that were sent and not given back.
    sent: AsCompleted<R>,
}

impl<'p, I: Iterator, R> MapUnordered<'p, I, R> {
    /// Nothing is sent yet.
    pub(crate) fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        Self { feed: Feed::new(pool, function, items), sent: AsCompleted::new() }
    }

    /// As [`Map::buffer`].
    pub fn buffer(mut self, n: usize) -> Self {
        self.feed.buffer = n.max(1);
        self
    }
}

impl<I, R> MapUnordered<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Sends as many calls as may be ahead.
    fn top_up(&mut self) {
        while let Some(call) = self.feed.next_call(self.sent.len()) {
            self.sent.push(0, call);
        }
    }

    /// As [`Map::next_timeout`].
    ///
    /// # Errors
    /// When time is over. Nothing is lost: the result comes with a later call.
    pub fn next_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Option<Result<R, JoinError>>, MapTimedOut> {
        self.top_up();
        match self.sent.next_timeout(limit) {
            Some((_key, result)) => Ok(Some(result)),
            None if self.sent.is_empty() => Ok(None),
            None => Err(MapTimedOut { limit }),
        }
    }
}

impl<I, R> Iterator for MapUnordered<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.top_up();
        self.sent.next().map(|(_key, result)| result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint(self.sent.len())
    }
}

impl<I, R> FusedIterator for MapUnordered<'_, I, R>
where
    I: Iterator,
    Self: Iterator,
{
}

impl<I: Iterator, R> Drop for MapUnordered<'_, I, R> {
    fn drop(&mut self) {
        self.sent.cancel();
    }
}

impl<I: Iterator, R> fmt::Debug for MapUnordered<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered")
            .field("sent", &self.sent.len())
            .field("buffer", &self.feed.buffer)
            .finish_non_exhaustive()
    }
}
