//! Giving jobs to a pool.

use crate::bound::{PoolFull, Room};
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::detached::Detached;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::home::Home;
use crate::job::{Job, JobRef, Run};
use crate::map::Map;
use crate::options::{JobOptions, Priority};
use crate::pool::Pool;
use crate::unordered::MapUnordered;
use std::sync::Arc;

impl Pool {
    /// Queues a closure. Dropping the handle does not stop it.
    ///
    /// Called on a worker of this pool, the job goes to that worker's own deque,
    /// from where an idle worker takes it if there is one. Called by a job with a
    /// [`CancelToken`](crate::CancelToken), the new job has that token, too.
    ///
    /// The queue has no bound unless [`Builder::queue_bound`](crate::Builder::queue_bound) set one; that also says
    /// what happens when it is full.
    pub fn spawn<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_with(JobOptions::new(), f)
    }

    /// Queues a closure whose end is of no interest: [`spawn`](Pool::spawn) without a handle,
    /// at about half of the cost. A panic of it is reported to
    /// [`Builder::on_panic`](crate::Builder::on_panic) and counted.
    ///
    /// There is nobody to tell if the closure is dropped without having run: by
    /// [`shutdown_now`](Pool::shutdown_now), a broken pool, a cancelled token around the caller, or
    /// a full pool that refuses ([`WhenFull::Refuse`](crate::WhenFull::Refuse)). That is only
    /// counted: [`Stats::cancelled`](crate::Stats::cancelled) has all of these, and
    /// [`Stats::refused`](crate::Stats::refused) the last. Where it matters, use
    /// [`spawn`](Pool::spawn), or [`try_spawn`](Pool::try_spawn), which gives the closure back.
    ///
    /// ```
    /// let pool = threads::Pool::new(1)?;
    /// let (send, receive) = std::sync::mpsc::channel();
    /// pool.execute(move || send.send(42).unwrap());
    /// assert_eq!(receive.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn execute(&self, f: impl FnOnce() + Send + 'static) {
        if CancelToken::current().is_some() {
            drop(self.spawn(f)); // The token has to find it.
        } else {
            let job = Arc::new(Detached::new(f, Home::Pool(self.shared.number)));
            self.shared.submit(job, Priority::Normal);
        }
    }

    /// Queues a closure with a [`Priority`](crate::Priority), a
    /// [`CancelToken`](crate::CancelToken), or both ([`JobOptions`]). Otherwise like [`spawn`](Pool::spawn).
    pub fn spawn_with<F, R>(&self, options: impl Into<JobOptions>, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.launch(options.into(), f, |job, priority| self.shared.submit(job, priority))
    }

    /// Queues a closure if there is room, whatever the pool does when it is full.
    ///
    /// # Errors
    ///
    /// Gives the closure back when as many jobs are queued as
    /// [`Builder::queue_bound`](crate::Builder::queue_bound) allows.
    ///
    /// ```
    /// use threads::{Pool, WhenFull};
    ///
    /// let pool = Pool::builder().workers(1).queue_bound(100, WhenFull::Block).build()?;
    /// match pool.try_spawn(|| 1) {
    ///     Ok(handle) => assert_eq!(handle.join()?, 1),
    ///     Err(threads::PoolFull(later)) => assert_eq!(later(), 1),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_spawn<F, R>(&self, f: F) -> Result<JoinHandle<R>, PoolFull<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match self.room(None) {
            Some(room) => Ok(self.spawn_in(room, JobOptions::new(), f)),
            None => Err(PoolFull(f)),
        }
    }

    /// Room for a job; waits for it if there is a deadline.
    pub(crate) fn room(&self, needed: Option<Deadline>) -> Option<Room<'_>> {
        self.shared.room(needed)
    }

    /// Queues a closure for which there is room.
    pub(crate) fn spawn_in<F, R>(&self, room: Room<'_>, options: JobOptions, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.launch(options, f, |job, priority| {
            room.used();
            self.shared.push(job, priority);
        })
    }

    /// Makes a job and hands it to `submit`.
    fn launch<F, R>(
        &self,
        mut options: JobOptions,
        f: F,
        submit: impl FnOnce(JobRef, Priority),
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let token = options.effective_token();
        let job = Arc::new(Job::new(f, Home::Pool(self.shared.number), token.clone()));
        submit(Arc::clone(&job) as JobRef, options.priority);
        if let Some(token) = token
            && !token.attach(&(Arc::clone(&job) as JobRef))
        {
            job.discard(JoinError::Cancelled); // Nobody else would for a while.
        }
        JoinHandle::new(job)
    }

    /// Queues `f(x)`. The same as [`spawn`](Pool::spawn), in the form that also
    /// works between processes.
    pub fn submit<F, A, R>(&self, f: F, x: A) -> JoinHandle<R>
    where
        F: FnOnce(A) -> R + Send + 'static,
        A: Send + 'static,
        R: Send + 'static,
    {
        self.spawn(move || f(x))
    }

    /// `f(x)` for every `x`, in the order of `xs`.
    ///
    /// Lazy: nothing happens before the first call of `next`, and then only a
    /// bounded number of jobs is ahead of what was returned, see
    /// [`Map::buffer`](crate::Map::buffer). So `xs` may be endless.
    ///
    /// ```
    /// let pool = threads::Pool::new(2)?;
    /// let squares: Result<Vec<u64>, _> = pool.map(|x| x * x, 1..=4).collect();
    /// assert_eq!(squares?, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<F, I, R>(&self, f: F, xs: I) -> Map<'_, F, I::IntoIter, R>
    where
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        R: Send + 'static,
    {
        Map::new(self, f, xs.into_iter())
    }

    /// `f(x)` for every `x`, in the order in which they are done. Otherwise like
    /// [`map`](Pool::map).
    pub fn map_unordered<F, I, R>(&self, f: F, xs: I) -> MapUnordered<'_, F, I::IntoIter, R>
    where
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        R: Send + 'static,
    {
        MapUnordered::new(self, f, xs.into_iter())
    }
}
