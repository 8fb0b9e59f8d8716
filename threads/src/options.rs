//! How one job is to be treated.

use crate::cancel::CancelToken;

/// Which jobs a worker begins first; see [`Pool::spawn_with`].
///
/// A worker that is free takes a job of high priority if one is queued, then one
/// of normal priority, then one of low priority. No job starves: of 16 jobs that a
/// worker begins, at least one is of normal priority if any is queued for it (mostly one
/// of 8), and of 61 one is of low priority. A running job is never interrupted for another one.
///
/// Jobs of high and of low priority are begun in the order in which they were
/// spawned.
///
/// [`Pool::spawn_with`]: crate::Pool::spawn_with
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Begun when nothing else is queued, and now and then.
    Low,
    /// What [`Pool::spawn`](crate::Pool::spawn) gives.
    #[default]
    Normal,
    /// Begun before all others, with a few exceptions so that those go on.
    High,
}

impl Priority {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;
}

/// How one job is to be treated, for [`Pool::spawn_with`]; a [`Priority`] and a
/// [`CancelToken`] alone are options, too.
///
/// ```
/// use threads::{CancelToken, JobOptions, Pool, Priority};
///
/// let pool = Pool::new(1)?;
/// let token = CancelToken::new();
/// let urgent = pool.spawn_with(Priority::High, || 1);
/// let both = JobOptions::new().priority(Priority::Low).token(&token);
/// assert_eq!(pool.spawn_with(both, || 2).join()? + urgent.join()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Pool::spawn_with`]: crate::Pool::spawn_with
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until a job is spawned with them"]
pub struct JobOptions {
    /// Before which others it is begun.
    pub(crate) priority: Priority,
    /// What cancels it; `None`: the token of the job that spawns it, if that has
    /// one.
    pub(crate) token: Option<CancelToken>,
}

impl JobOptions {
    /// Normal priority, and the token of the job that spawns, if that has one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Before which others the job is begun.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// What cancels the job, instead of the token of the job that spawns it.
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// The token that counts.
    pub(crate) fn effective_token(&mut self) -> Option<CancelToken> {
        self.token.take().or_else(CancelToken::current)
    }
}

impl From<Priority> for JobOptions {
    fn from(priority: Priority) -> Self {
        Self::new().priority(priority)
    }
}

impl From<&CancelToken> for JobOptions {
    fn from(token: &CancelToken) -> Self {
        Self::new().token(token)
    }
}
