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

/// Which piece comes next, of those that have come and whose turn is to come.
trait Order: Default {
    /// Takes pieces in.
    fn keep(&mut self, arrived: &mut Vec<Piece>);
    /// The piece whose turn it is when so many results were given; none when it has not come.
    fn next(&mut self, given: u64) -> Option<Piece>;
    /// What to wait for then.
    fn wanted(given: u64) -> Wanted;
}

/// The order of the items.
#[derive(Debug, Default)]
struct OfItems(
    /// By the number of the first item.
    BTreeMap<u64, Piece>,
);

impl Order for OfItems {
    fn keep(&mut self, arrived: &mut Vec<Piece>) {
        self.0.extend(arrived.drain(..).map(|piece| (piece.first(), piece)));
    }

    fn next(&mut self, given: u64) -> Option<Piece> {
        self.0.remove(&given)
    }

    fn wanted(given: u64) -> Wanted {
        Wanted::Number(given)
    }
}

/// The order in which they come.
#[derive(Debug, Default)]
struct AsTheyCome(VecDeque<Piece>);

impl Order for AsTheyCome {
    fn keep(&mut self, arrived: &mut Vec<Piece>) {
        self.0.extend(arrived.drain(..));
    }

    fn next(&mut self, _given: u64) -> Option<Piece> {
        self.0.pop_front()
    }

    fn wanted(_given: u64) -> Wanted {
        Wanted::Any
    }
}

/// The results of a map. When it is dropped, what has not started is cancelled.
struct Results<'p, I: Iterator, R, O> {
    /// Makes the calls.
    feed: Feed<'p, I, R>,
    /// What has come out of turn.
    waiting: O,
    /// Gives what is in turn.
    gather: Gather<R>,
    /// What has just come; kept for its memory.
    arrived: Vec<Piece>,
}

impl<'p, I, R, O> Results<'p, I, R, O>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
    O: Order,
{
    /// Nothing is sent yet.
    fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        let feed = Feed::new(pool, function, items);
        Self { feed, waiting: O::default(), gather: Gather::new(), arrived: Vec::new() }
    }

    /// The next result.
    #[inline]
    fn next_until(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Result<R, JoinError>>, TimeIsOver> {
        loop {
            self.feed.feed(&mut self.arrived);
            let given = self.feed.consumed;
            // Before a result is decoded, which may panic.
            self.feed.consumed += 1;
            if let Some(result) = self.gather.next() {
                return Ok(Some(result));
            }
            self.feed.consumed = given;
            if given == self.feed.taken() {
                return Ok(None);
            }
            self.waiting.keep(&mut self.arrived);
            if let Some(piece) = self.waiting.next(given) {
                self.gather.turn_to(piece);
            } else {
                let harvest = &self.feed.harvest;
                let timing = harvest.take(O::wanted(given), deadline, &mut self.arrived)?;
                self.feed.learn(timing);
            }
        }
    }
}

impl<I: Iterator, R, O> Drop for Results<'_, I, R, O> {
    fn drop(&mut self) {
        self.feed.abandon();
    }
}

/// Both kinds of maps, which differ in their order only.
macro_rules! map {
    ($(#[$about:meta])* $map:ident, $order:ty) => {
        $(#[$about])*
        #[must_use = "nothing is sent before the first `next`"]
        pub struct $map<'p, I: Iterator, R> {
            /// What comes.
            results: Results<'p, I, R, $order>,
        }

        impl<'p, I, R> $map<'p, I, R>
        where
            I: Iterator,
            I::Item: Serialize + DeserializeOwned + 'static,
            R: Serialize + DeserializeOwned + Send + 'static,
        {
            /// Nothing is sent yet.
            pub(crate) fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
                Self { results: Results::new(pool, function, items) }
            }

            /// Like `next`, but waits for the next result no longer than `limit`.
            ///
            /// # Errors
            /// When time is over. Nothing is lost: the result comes with a later call.
            pub fn next_timeout(
                &mut self,
                limit: Duration,
            ) -> Result<Option<Result<R, JoinError>>, MapTimedOut> {
                let deadline = Instant::now().checked_add(limit);
                self.results.next_until(deadline).map_err(|TimeIsOver| MapTimedOut { limit })
            }
        }

        impl<I: Iterator, R> $map<'_, I, R> {
            /// How many items may be taken ahead of what was consumed; at least 1. The default is 16
            /// for each worker, fewer when they are long (4 MiB for each worker), and more when calls
            /// are so short that many travel together: as many as the workers execute in some
            /// milliseconds.
            pub fn buffer(mut self, n: usize) -> Self {
                self.results.feed.limit(n);
                self
            }

            /// What each call asks for: a limit, retries. The default is that of [`Pool::submit`].
            /// Items that were sent are not affected.
            pub fn options(mut self, options: CallOptions) -> Self {
                self.results.feed.set_options(options);
                self
            }
        }

        impl<I, R> Iterator for $map<'_, I, R>
        where
            I: Iterator,
            I::Item: Serialize + DeserializeOwned + 'static,
            R: Serialize + DeserializeOwned + Send + 'static,
        {
            type Item = Result<R, JoinError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                self.results.next_until(None).expect("without a deadline, time is not over")
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.results.feed.size_hint()
            }
        }

        impl<I, R> FusedIterator for $map<'_, I, R>
        where
            I: Iterator,
            Self: Iterator,
        {
        }

        impl<I: Iterator, R> fmt::Debug for $map<'_, I, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = f.debug_struct(stringify!($map));
                self.results.feed.describe(&mut text);
                text.finish_non_exhaustive()
            }
        }
    };
}

map! {
    /// The results of [`Pool::map`], in the order of the items.
    Map, OfItems
}

map! {
    /// The results of [`Pool::map_unordered`], as they are finished.
    MapUnordered, AsTheyCome
}
