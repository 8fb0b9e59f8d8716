//! What the maps have in common: jobs that are submitted ahead of the results that
//! were returned.

use crate::cancel::{self, CancelToken};
use crate::deadline::Deadline;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::options::{JobOptions, Priority};
use crate::pool::Pool;
use std::iter::Fuse;
use std::sync::Arc;
use std::time::Duration;

/// Jobs per worker that a map keeps ahead of what it has returned: enough to even
/// out jobs of different lengths, and to wake workers and caller rarely when jobs
/// are short.
const AHEAD_PER_WORKER: usize = 16;

/// Time was over before the next result of a map was there; from
/// [`Map::next_timeout`](crate::Map::next_timeout).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("get the next result of a map within {limit:?}")]
#[non_exhaustive]
pub struct MapTimedOut {
    /// The limit that was exceeded.
    pub limit: Duration,
}

/// Where a map keeps the jobs that are ahead.
pub(crate) trait Window<R> {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether a result could be returned at once.
    fn is_ready(&self) -> bool;

    /// One more is ahead.
    fn push(&mut self, handle: JoinHandle<R>);
}

/// The jobs that a map has not submitted yet.
pub(crate) struct Ahead<'pool, F, I: Iterator> {
    /// Where the jobs run.
    pool: &'pool Pool,
    /// What is applied.
    f: Arc<F>,
    /// The inputs that are not submitted yet.
    xs: Fuse<I>,
    /// The next input, if there was no room for its job.
    held: Option<I::Item>,
    /// The most jobs that may be ahead; at least 1.
    pub(crate) buffer: usize,
    /// How each job is to be treated.
    options: JobOptions,
    /// Whether a token has cut it off.
    cut: Cut,
}

/// Whether inputs are left out since a token was cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// No.
    Not,
    /// Yes, and it has to be said after what is ahead.
    Due,
    /// It was said: the map has ended.
    Told,
}

impl<'pool, F, I: Iterator> Ahead<'pool, F, I> {
    /// Nothing is submitted yet.
    pub(crate) fn new(pool: &'pool Pool, f: F, xs: I) -> Self {
        // Without threads, what is ahead would only be early.
        let buffer = if pool.is_inline() { 1 } else { pool.workers() * AHEAD_PER_WORKER };
        let (f, xs, options) = (Arc::new(f), xs.fuse(), JobOptions::new());
        Self { pool, f, xs, held: None, buffer, options, cut: Cut::Not }
    }

    /// Has the jobs cancelled with this token.
    pub(crate) fn set_token(&mut self, token: &CancelToken) {
        self.options.token = Some(token.clone());
    }

    /// Has the jobs begun before or after others.
    pub(crate) fn set_priority(&mut self, priority: Priority) {
        self.options.priority = priority;
    }

    /// How many results are still to come, apart from those ahead.
    pub(crate) fn size_hint(&self, ahead: usize) -> (usize, Option<usize>) {
        let (least, most) = match self.cut {
            Cut::Not => {
                let (least, most) = self.xs.size_hint();
                let held = usize::from(self.held.is_some());
                (least.saturating_add(held), most.and_then(|most| most.checked_add(held)))
            }
            Cut::Due => (1, Some(1)),
            Cut::Told => (0, Some(0)),
        };
        // A token may have one error in place of what is left.
        let may_be_cut = self.options.token.is_some() || cancel::is_inside();
        let least = if may_be_cut { least.min(1) } else { least };
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }

    /// Nothing is ahead any more: the error in place of what a token has cut off, once.
    pub(crate) fn take_cut<R>(&mut self) -> Option<Item<R>> {
        let due = self.cut == Cut::Due;
        due.then(|| {
            self.cut = Cut::Told;
            Err(JoinError::Cancelled)
        })
    }

    /// The next input. `None` also if the token was cancelled, that of the jobs or else the
    /// caller's, and there may be one, which is left where it is: the map is cut off then.
    fn next_input(&mut self) -> Option<I::Item> {
        if self.cut != Cut::Not {
            return None;
        }
        let is_cancelled = match &self.options.token {
            Some(token) => token.is_cancelled(),
            None => cancel::current().is_some_and(|token| token.is_cancelled()),
        };
        if is_cancelled && (self.held.is_some() || self.xs.size_hint().1 != Some(0)) {
            self.cut = Cut::Due;
        }
        if is_cancelled { None } else { self.held.take().or_else(|| self.xs.next()) }
    }

    /// Submits jobs until enough are ahead; several at a time while there is
    /// something to return, which means fewer wake-ups. In a pool with a bound,
    /// only as many as fit, but at least one if there is none, and if there is room
    /// before the deadline. True if that came to nothing.
    pub(crate) fn top_up<R>(&mut self, window: &mut impl Window<R>, deadline: Deadline) -> bool
    where
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        I::Item: Send + 'static,
        R: Send + 'static,
    {
        if window.len() > self.buffer / 2 && window.is_ready() {
            return false;
        }
        while window.len() < self.buffer {
            let Some(x) = self.next_input() else { return false };
            let needed = (window.len() == 0).then_some(deadline);
            let Some(room) = self.pool.room(needed) else {
                self.held = Some(x);
                return window.len() == 0;
            };
            let f = Arc::clone(&self.f);
            window.push(self.pool.spawn_in(room, self.options.clone(), move || f(x)));
        }
        false
    }
}

/// What a map returns.
pub(crate) type Item<R> = Result<R, JoinError>;
