//! Loops that do not end, and what keeps them.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::pool::{Ended, Loop};
use crate::record::Blocked;

/// Some loops had not ended when time was over; see [`Cores::shutdown_timeout`](super::Cores::shutdown_timeout).
///
/// They end as soon as they are let go, and so do their threads. [Wait](Self::wait) again to see that, or
/// drop this to give up on it.
#[must_use = "some loops go on: wait for them, or say which ones they are"]
pub struct Stuck {
    /// What is known so far.
    ended: Ended,
    /// What keeps each of `threads`.
    loops: Vec<StuckLoop>,
    /// The loops, with their numbers.
    threads: Vec<(usize, Loop)>,
}

/// One of those loops.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StuckLoop {
    /// Its number, as in [`Cores::handle`](super::Cores::handle).
    pub index: usize,
    /// What kept it when time was over.
    pub kept_by: KeptBy,
}

/// What keeps a loop from ending.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeptBy {
    /// A task that is being polled or dropped, or a closure that another thread has sent.
    Task(Blocked),
    /// The closures that [`blocking`](fn@crate::blocking) is running, by the places where they were given.
    Blocking(Vec<&'static Location<'static>>),
    /// Nothing is known: there is no recorder, or it was about to end.
    Unknown,
}

impl Stuck {
    /// Of these loops, those that go on after `limit`; none if all of them have ended.
    pub(super) fn after(
        ended: Ended,
        threads: Vec<(usize, Loop)>,
        limit: Duration,
    ) -> Result<Ended, Self> {
        let start = Instant::now();
        let mut stuck = Vec::new();
        for (index, mut each) in threads {
            if !each.join_within(limit.saturating_sub(start.elapsed())) {
                stuck.push((index, each));
            }
        }
        if stuck.is_empty() {
            return Ok(ended);
        }
        let kept =
            |(index, each): &(usize, Loop)| StuckLoop { index: *index, kept_by: each.kept_by() };
        Err(Self { ended, loops: stuck.iter().map(kept).collect(), threads: stuck })
    }

    /// The loops that go on, in the order of their numbers; at least one.
    pub fn loops(&self) -> &[StuckLoop] {
        &self.loops
    }

    /// How the end went otherwise.
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    /// Waits for these loops at most `limit`; in vain on one of their own threads.
    ///
    /// # Errors
    ///
    /// Those that still go on, and what keeps them by now.
    pub fn wait(self, limit: Duration) -> Result<Ended, Self> {
        Self::after(self.ended, self.threads, limit)
    }
}

impl std::error::Error for Stuck {}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, each) in self.loops.iter().enumerate() {
            write!(
                f,
                "{}loop {} has not ended: {}",
                if n > 0 { "; " } else { "" },
                each.index,
                each.kept_by
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for KeptBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(blocked) => blocked.fmt(f),
            Self::Blocking(places) => {
                f.write_str("it waits for what `blocking` runs, given at ")?;
                for (n, place) in places.iter().enumerate() {
                    write!(f, "{}{place}", if n > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
            Self::Unknown => f.write_str("what keeps it is not known"),
        }
    }
}

impl fmt::Debug for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stuck")
            .field("loops", &self.loops)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
