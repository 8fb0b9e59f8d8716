//! The threads behind `blocking`: started when needed, bounded, gone when idle.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::contain::contain_and_discard;
use crate::sync::waiters::{Ticket, Waiters};

thread_local! {
    /// The pool that this thread is of; it has its share of it as long as it runs. Compared, never followed.
    static POOL: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

/// What a thread runs.
pub(crate) struct Job {
    /// Contains its own panics, all but those of drops.
    pub(super) run: Box<dyn FnOnce() + Send>,
    /// Where it was given.
    pub(super) at: &'static Location<'static>,
}

/// A bounded pool. Part of one reactor.
pub(crate) struct Threads {
    shared: Arc<Shared>,
}

/// Tells what the threads are running, also while the reactor waits for them in the end.
#[derive(Clone)]
pub(crate) struct Running(Arc<Shared>);

impl Running {
    /// The places where the closures were given that are running.
    pub(crate) fn places(&self) -> Vec<&'static Location<'static>> {
        self.0.lock().running.clone()
    }

    /// Whether this is one of the threads.
    pub(crate) fn is_here(&self) -> bool {
        POOL.get() == Arc::as_ptr(&self.0)
    }
}

/// What the reactor and the threads share.
struct Shared {
    /// Jobs are run and wakers called outside the lock.
    state: Mutex<State>,
    /// There is a job, or it is time to end.
    work: Condvar,
    /// The most threads there may be.
    max_threads: usize,
    /// Places in the queue.
    max_queued: usize,
    /// After this long without a job a thread ends.
    keep_alive: Duration,
}

/// A place among those who found the queue full. Dropping it gives it up, so that callers who give up
/// while the threads are stuck do not pile up.
pub(crate) struct Place {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.shared.lock().waiting.leave(&mut self.ticket);
        // Outside the lock.
        drop(waker);
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Those who found the queue full. All are woken when it is half empty.
    waiting: Waiters,
    /// Where the jobs were given that are running, in any order.
    running: Vec<&'static Location<'static>>,
    /// Threads that run or wait for a job.
    alive: usize,
    /// Threads that wait for a job.
    idle: usize,
    /// For the end.
    handles: Vec<JoinHandle<()>>,
    /// Of the thread that was the last to end for want of work. The next one joins it, so that the stacks of
    /// a busy time do not stay.
    ended: Option<JoinHandle<()>>,
    /// The reactor is going: jobs are not run any more.
    ending: bool,
}

impl State {
    /// This thread ends. Gives the handle of the one that did before.
    fn note_ended(&mut self) -> Option<JoinHandle<()>> {
        let here = thread::current().id();
        // Not there once the pool is being shut down, which joins all.
        let place = self.handles.iter().position(|handle| handle.thread().id() == here)?;
        self.ended.replace(self.handles.swap_remove(place))
    }
}

impl Threads {
    pub(crate) fn new(max_threads: usize, max_queued: usize, keep_alive: Duration) -> Self {
        let state = Mutex::new(State::default());
        let work = Condvar::new();
        Self { shared: Arc::new(Shared { state, work, max_threads, max_queued, keep_alive }) }
    }

    pub(crate) fn running(&self) -> Running {
        Running(Arc::clone(&self.shared))
    }

    /// Threads alive and jobs queued.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.alive, state.queue.len())
    }

    /// Queues a job. Gives it back if the queue is full; then `waker` is woken when it is no longer,
    /// unless `place` is dropped before.
    ///
    /// # Errors
    ///
    /// When there is no thread and none can be started.
    pub(crate) fn submit(
        &self,
        job: Job,
        waker: &Waker,
        place: &mut Option<Place>,
    ) -> io::Result<Option<Job>> {
        let waker = waker.clone();
        // Outside the lock: it may be a place in the queue of another reactor.
        let mut own = place.take().filter(|place| Arc::ptr_eq(&place.shared, &self.shared));
        let mut state = self.shared.lock();
        if state.ending {
            drop(state);
            // Dropping the job drops its sender: the caller finds out that it was cancelled.
            drop(job);
            return Ok(None);
        }
        if state.queue.len() >= self.shared.max_queued {
            let own = place.insert(own.take().unwrap_or_else(|| self.no_place_yet()));
            let old = state.waiting.wait(&mut own.ticket, waker);
            drop(state);
            drop(old);
            return Ok(Some(job));
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() || state.alive >= self.shared.max_threads {
            drop(state);
            self.shared.work.notify_one();
            return Ok(None);
        }
        match self.start_thread(&mut state) {
            Ok(()) => Ok(None),
            // Those that are there will do it.
            Err(_) if state.alive > 0 => Ok(None),
            Err(error) => {
                let job = state.queue.pop_back();
                drop(state);
                drop(job);
                Err(error)
            }
        }
    }

    fn no_place_yet(&self) -> Place {
        Place { shared: Arc::clone(&self.shared), ticket: Ticket::default() }
    }

    /// Drops the queue and waits for the threads; a job that is running is waited for.
    pub(crate) fn shut_down(&self) {
        let mut state = self.shared.lock();
        state.ending = true;
        let queue = std::mem::take(&mut state.queue);
        let waiting = state.waiting.take();
        let handles = std::mem::take(&mut state.handles);
        let ended = state.ended.take();
        drop(state);
        self.shared.work.notify_all();
        for job in queue {
            contain_and_discard(|| drop(job));
        }
        // One by one: a second panic while a collection is dropped would end the process.
        for waker in waiting {
            contain_and_discard(|| drop(waker));
        }
        for handle in handles.into_iter().chain(ended) {
            // A thread contains every panic, so there is nothing to be told.
            drop(handle.join());
        }
    }

    /// Under the lock, so that the count and the handles agree. Runs no user code.
    fn start_thread(&self, state: &mut State) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name("evented-blocking".to_owned());
        let run = move || {
            POOL.set(Arc::as_ptr(&shared));
            shared.run();
        };
        let handle = builder.spawn(run)?;
        state.handles.push(handle);
        state.alive += 1;
        Ok(())
    }
}

impl Shared {
    /// The life of a thread.
    fn run(&self) {
        let mut done = None;
        while let Some((job, waiting)) = self.next_job(done) {
            for waker in waiting {
                contain_and_discard(|| waker.wake());
            }
            contain_and_discard(job.run);
            done = Some(job.at);
        }
    }

    /// Waits for a job, after this one. None: this thread has left the counts and ends. Comes with those
    /// to be woken.
    fn next_job(&self, done: Option<&'static Location<'static>>) -> Option<(Job, Vec<Waker>)> {
        let mut state = self.lock();
        if let Some(done) = done
            && let Some(place) = state.running.iter().position(|at| std::ptr::eq(*at, done))
        {
            state.running.swap_remove(place);
        }
        loop {
            if !state.ending
                && let Some(job) = state.queue.pop_front()
            {
                let half_empty = state.queue.len() <= self.max_queued / 2;
                let waiting = if half_empty { state.waiting.take() } else { Vec::new() };
                state.running.push(job.at);
                return Some((job, waiting));
            }
            if state.ending {
                state.alive -= 1;
                return None;
            }
            state.idle += 1;
            let (locked, timeout) = self
                .work
                .wait_timeout(state, self.keep_alive)
                .unwrap_or_else(PoisonError::into_inner);
            state = locked;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.alive -= 1;
                let before = state.note_ended();
                drop(state);
                if let Some(before) = before {
                    // It ended before, and waits for nobody who ends later.
                    drop(before.join());
                }
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Waker;
    use std::time::Instant;

    use super::*;

    #[test]
    fn threads_that_end_for_want_of_work_do_not_keep_their_stacks() {
        let threads = Threads::new(8, 8, Duration::from_millis(1));
        let (all_run, runs) = mpsc::channel();
        for _ in 0..8 {
            let (all_run, is_here) = (all_run.clone(), threads.running());
            let run = Box::new(move || all_run.send(is_here.is_here()).unwrap());
            let job = Job { run, at: Location::caller() };
            assert!(threads.submit(job, Waker::noop(), &mut None).unwrap().is_none());
        }
        assert!((0..8).all(|_| runs.recv().unwrap()) && !threads.running().is_here());
        let deadline = Instant::now() + Duration::from_mins(1);
        while threads.load().0 > 0 {
            assert!(Instant::now() < deadline, "they do not end");
            thread::yield_now();
        }
        let state = threads.shared.lock();
        assert!(state.handles.is_empty() && state.ended.is_some(), "one is left to be joined");
        drop(state);
        threads.shut_down();
        assert!(threads.shared.lock().ended.is_none());
    }
}
