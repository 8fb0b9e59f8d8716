//! Many calls of one function.

use std::collections::VecDeque;
use std::fmt;
use std::iter::Fuse;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::completed::AsCompleted;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::pool::Pool;

/// Calls in flight for each worker unless [`Map::buffer`] says otherwise.
const AHEAD_PER_WORKER: usize = 16;

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

impl<I, R> Iterator for Map<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(call) = self.feed.next_call(self.sent.len()) {
            self.sent.push_back(call);
        }
        self.sent.pop_front().map(JoinHandle::join)
    }
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

impl<I, R> Iterator for MapUnordered<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<R, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(call) = self.feed.next_call(self.sent.len()) {
            self.sent.push(0, call);
        }
        self.sent.next().map(|(_key, result)| result)
    }
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
