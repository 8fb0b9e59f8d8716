//! Many calls of one function.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::error::JoinError;
use crate::feed::Feed;
use crate::gather::Gather;
use crate::harvest::{Piece, TimeIsOver, Wanted};
use crate::options::CallOptions;
use crate::pool::Pool;

/// Time was over before the next result of a map was there; from [`Map::next_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("get the next result of a map within {limit:?}")]
#[non_exhaustive]
pub struct MapTimedOut {
    /// The limit that was exceeded.
    pub limit: Duration,
}

/// When waiting ends that may take so long; none: never.
fn deadline_after(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

/// The results of [`Pool::map`], in the order of the items.
#[must_use = "nothing is sent before the first `next`"]
pub struct Map<'p, I: Iterator, R> {
    /// Makes the calls.
    feed: Feed<'p, I, R>,
    /// What came out of turn, by the number of its first item.
    waiting: BTreeMap<u64, Piece>,
    /// Gives what is in turn.
    gather: Gather<R>,
    /// What has just come; kept for its memory.
    arrived: Vec<Piece>,
}

impl<'p, I, R> Map<'p, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Nothing is sent yet.
    pub(crate) fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        Self {
            feed: Feed::new(pool, function, items),
            waiting: BTreeMap::new(),
            gather: Gather::new(),
            arrived: Vec::new(),
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
        self.next_until(deadline_after(limit)).map_err(|TimeIsOver| MapTimedOut { limit })
    }

    /// The next result.
    fn next_until(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Result<R, JoinError>>, TimeIsOver> {
        loop {
            self.feed.feed(&mut self.arrived);
            let next = self.feed.consumed;
            // Before a result is decoded, which may panic.
            self.feed.consumed += 1;
            if let Some(result) = self.gather.next() {
                return Ok(Some(result));
            }
            self.feed.consumed = next;
            if next == self.feed.taken() {
                return Ok(None);
            }
            self.waiting.extend(self.arrived.drain(..).map(|piece| (piece.first(), piece)));
            if let Some(piece) = self.waiting.remove(&next) {
                self.gather.turn_to(piece);
            } else {
                let harvest = &self.feed.harvest;
                let timing = harvest.take(Wanted::Number(next), deadline, &mut self.arrived)?;
                self.feed.learn(timing);
            }
        }
    }
}

impl<I: Iterator, R> Map<'_, I, R> {
    /// How many items may be taken ahead of what was consumed; at least 1. The default is 16 for
    /// each worker, fewer when they are long (4 MiB for each worker), and more when calls are so short that many travel together: as many as the
    /// workers execute in some milliseconds.
    pub fn buffer(mut self, n: usize) -> Self {
        self.feed.limit(n);
        self
    }

    /// What each call asks for: a limit, retries. The default is that of [`Pool::submit`]. Items
    /// that were sent are not affected.
    pub fn options(mut self, options: CallOptions) -> Self {
        self.feed.set_options(options);
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None).expect("without a deadline, time is not over")
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint()
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
        self.feed.abandon();
    }
}

impl<I: Iterator, R> fmt::Debug for Map<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Map");
        self.feed.describe(&mut text);
        text.finish_non_exhaustive()
    }
}

/// The results of [`Pool::map_unordered`], as they are finished.
#[must_use = "nothing is sent before the first `next`"]
pub struct MapUnordered<'p, I: Iterator, R> {
    /// Makes the calls.
    feed: Feed<'p, I, R>,
    /// What has come, in that order.
    waiting: VecDeque<Piece>,
    /// Gives what is in turn.
    gather: Gather<R>,
    /// What has just come; kept for its memory.
    arrived: Vec<Piece>,
}

impl<'p, I, R> MapUnordered<'p, I, R>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Nothing is sent yet.
    pub(crate) fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        Self {
            feed: Feed::new(pool, function, items),
            waiting: VecDeque::new(),
            gather: Gather::new(),
            arrived: Vec::new(),
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
        self.next_until(deadline_after(limit)).map_err(|TimeIsOver| MapTimedOut { limit })
    }

    /// The next result.
    fn next_until(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Result<R, JoinError>>, TimeIsOver> {
        loop {
            self.feed.feed(&mut self.arrived);
            let next = self.feed.consumed;
            // Before a result is decoded, which may panic.
            self.feed.consumed += 1;
            if let Some(result) = self.gather.next() {
                return Ok(Some(result));
            }
            self.feed.consumed = next;
            if next == self.feed.taken() {
                return Ok(None);
            }
            self.waiting.extend(self.arrived.drain(..));
            if let Some(piece) = self.waiting.pop_front() {
                self.gather.turn_to(piece);
            } else {
                let harvest = &self.feed.harvest;
                let timing = harvest.take(Wanted::Any, deadline, &mut self.arrived)?;
                self.feed.learn(timing);
            }
        }
    }
}

impl<I: Iterator, R> MapUnordered<'_, I, R> {
    /// As [`Map::buffer`].
    pub fn buffer(mut self, n: usize) -> Self {
        self.feed.limit(n);
        self
    }

    /// As [`Map::options`].
    pub fn options(mut self, options: CallOptions) -> Self {
        self.feed.set_options(options);
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None).expect("without a deadline, time is not over")
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.feed.size_hint()
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
        self.feed.abandon();
    }
}

impl<I: Iterator, R> fmt::Debug for MapUnordered<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("MapUnordered");
        self.feed.describe(&mut text);
        text.finish_non_exhaustive()
    }
}
