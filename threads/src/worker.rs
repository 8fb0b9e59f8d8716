//! A worker: a thread that executes jobs until its pool ends.
//!
//! What it does next is decided in `src/search.rs`.

use crate::error::message;
use crate::fork::context::Context;
use crate::fork::forked::Fork;
use crate::fork::task::Task;
use crate::home::Place;
use crate::hook::PanicOrigin;
use crate::job::{JobRef, Run};
use crate::primitives::{Builder, JoinHandle, Mutex, lock, thread_local};
use crate::search::{Next, Work};
use crate::shared::{Phase, Shared, Slot};
use crate::unwind::{catch, drop_quietly};
use crossbeam_deque::Worker as Deque;
use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Stolen work that takes less is hardly worth the theft.
const QUICK: Duration = Duration::from_nanos(500);

/// The most that [`Worker::quick`] counts.
const MOST_QUICK: u32 = 6;

thread_local! {
    /// The worker that the current thread is, if it is one.
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

/// A worker's own queues, which outlive its thread: the next one with its number has them.
pub(crate) struct Deques {
    /// Jobs spawned by the worker and not yet begun, oldest first.
    pub(crate) jobs: Deque<JobRef>,
    /// Tasks of scopes spawned by the worker and not yet begun, newest first.
    pub(crate) tasks: Deque<Task>,
}

impl Deques {
    /// Empty ones.
    pub(crate) fn new() -> Self {
        Self { jobs: Deque::new_fifo(), tasks: Deque::new_lifo() }
    }
}

/// One worker, owned by its thread.
pub(crate) struct Worker {
    /// Where it forks. Comes first, as it must go before `shared`.
    pub(crate) context: Context,
    /// Its pool.
    pub(crate) shared: Arc<Shared>,
    /// Its number in the pool.
    pub(crate) index: usize,
    /// What others see of it.
    pub(crate) slot: Arc<Slot>,
    /// Jobs spawned here and not yet begun, oldest first.
    pub(crate) deque: Deque<JobRef>,
    /// How often in a row something stolen was soon done, up to [`MOST_QUICK`].
    pub(crate) quick: Cell<u32>,
    /// Jobs that were run on the spot since the last sweep of the own deque, where shells of
    /// them may lie.
    pub(crate) shells: Cell<usize>,
    /// Jobs begun, for the order of the search.
    pub(crate) turns: Cell<u32>,
    /// Jobs on the stack: one that runs, and those that wait for the next one in
    /// the list.
    pub(crate) depth: Cell<u32>,
    /// Whether it has given up its seat, see `src/seats.rs`.
    pub(crate) aside: Cell<bool>,
}

/// Starts the thread of a worker; gives the deques back if the system does not let
/// it.
pub(crate) fn start(
    shared: &Arc<Shared>,
    index: usize,
    deques: Deques,
) -> Result<JoinHandle<()>, (io::Error, Deques)> {
    let mut thread = Builder::new().name(format!("{}-{index}", shared.settings.name));
    if let Some(bytes) = shared.settings.stack_size {
        thread = thread.stack_size(bytes);
    }
    let parcel = Arc::new(Mutex::new(Some(deques)));
    let (shared, taken) = (Arc::clone(shared), Arc::clone(&parcel));
    let body = move || {
        let deques = lock(&taken).take().expect("who started the thread left them here");
        drop(taken);
        main(shared, index, deques);
    };
    thread.spawn(body).map_err(|error| {
        let deques = lock(&parcel).take().expect("no thread took them");
        (error, deques)
    })
}

/// The body of a worker's thread: returns when the pool has ended, or has too many
/// workers.
fn main(shared: Arc<Shared>, index: usize, deques: Deques) {
    shared.sleep.register(index);
    let slot = shared.slots().nth(index).map(Arc::clone).expect("it was opened for this thread");
    let Deques { jobs, tasks } = deques;
    let worker = Rc::new(Worker {
        context: Context::new(&shared, tasks, Arc::clone(&slot.post)),
        shared,
        index,
        slot,
        deque: jobs,
        quick: Cell::new(0),
        shells: Cell::new(0),
        turns: Cell::new(0),
        depth: Cell::new(0),
        aside: Cell::new(false),
    });
    CURRENT.with(|current| current.replace(Some(Rc::clone(&worker))));
    let seated = worker.context.enter(&worker.shared, || {
        let ready = worker.initialize();
        if !ready {
            CURRENT.with(RefCell::take); // So it calls nothing of what it is asked to.
            worker.close_mail();
        }
        !ready || worker.work()
    });
    CURRENT.with(RefCell::take);
    if let Ok(Worker { context, shared, deque, .. }) = Rc::try_unwrap(worker) {
        let deques = Deques { jobs: deque, tasks: context.into_deque() };
        shared.seats.leave(&shared, index, deques, seated);
    }
}

/// The worker that the calling thread is, if it is one (and its thread-local values
/// have not been destroyed yet).
pub(crate) fn current() -> Option<Rc<Worker>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// The number of the calling thread among the workers of this pool.
pub(crate) fn index_in(pool: u64) -> Option<usize> {
    with_own(pool, |worker| worker.index)
}

/// Whether the calling thread is a worker of some pool.
pub(crate) fn is_current() -> bool {
    CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false)
}

/// Puts a job on the calling worker's own deque; gives it back if the caller is
/// no worker of this pool.
pub(crate) fn push_own(shared: &Shared, job: JobRef) -> Option<JobRef> {
    let mut job = Some(job);
    with_own(shared.number, |worker| {
        worker.slot.tally.submitted();
        job.take().map(|job| worker.deque.push(job))
    });
    job
}

/// Runs a job on the calling worker, true if so; false if the caller is no worker
/// of this pool.
pub(crate) fn run_own(shared: &Shared, job: &JobRef) -> bool {
    let worker = current().filter(|worker| worker.shared.number == shared.number);
    worker.is_some_and(|worker| {
        worker.run(&**job);
        true
    })
}

/// Calls `f` if the calling thread is a worker of this pool.
fn with_own<R>(pool: u64, f: impl FnOnce(&Worker) -> R) -> Option<R> {
    let own = |current: &RefCell<Option<Rc<Worker>>>| {
        let current = current.borrow();
        current.as_ref().filter(|worker| worker.shared.number == pool).map(|worker| f(worker))
    };
    CURRENT.try_with(own).ok().flatten()
}

impl Worker {
    /// Prepares the thread for its jobs. False if that failed; the pool is broken
    /// then.
    fn initialize(&self) -> bool {
        let Some(initializer) = &self.shared.settings.initializer else { return true };
        let trouble = match catch(|| initializer(self.index)) {
            Ok(Ok(())) => return true,
            Ok(Err(text)) => format!("failed: {text}"),
            Err(payload) => {
                self.shared.report(PanicOrigin::Initializer, &*payload);
                let text = format!("panicked: {}", message(&*payload));
                drop_quietly(payload);
                text
            }
        };
        let worker = format!("{}-{}", self.shared.settings.name, self.index);
        self.shared.break_with(&format!("the initializer of {worker} {trouble}"));
        false
    }

    /// Runs what only this worker is to run, and takes no more of it: it is about to end.
    pub(crate) fn close_mail(&self) {
        while let Some(fork) = self.slot.mail.close() {
            self.execute(Work::Fork(fork));
        }
    }

    /// The worker has a seat again.
    pub(crate) fn open_mail(&self) {
        self.slot.mail.open();
    }

    /// Goes to the bench if there are too many workers. False if it has no seat any more.
    fn retire(&self) -> bool {
        let seats = &self.shared.seats;
        let run_mail = |back: &dyn Fn()| {
            let fork = self.slot.mail.close();
            fork.is_some_and(|fork| {
                back();
                self.execute(Work::Fork(fork));
                true
            })
        };
        !seats.has_surplus() || seats.retire(&self.shared, self.index, run_mail)
    }

    /// Executes jobs until the pool has ended (true), or the worker has no seat any
    /// more (false).
    fn work(&self) -> bool {
        let seats = &self.shared.seats;
        seats.arrive(self.index);
        let mut is_first = true;
        loop {
            if !self.retire() {
                return false;
            }
            match self.next() {
                Next::Run(work) => {
                    if mem::take(&mut is_first) {
                        seats.offer_rest(&self.shared);
                    }
                    self.execute(work);
                }
                Next::Retire => {}
                Next::End => match self.slot.mail.close() {
                    Some(fork) => self.execute(Work::Fork(fork)), // It may spawn jobs.
                    None => return true,
                },
            }
        }
    }

    /// Deals with what was taken from a queue.
    fn execute(&self, work: Work) {
        match work {
            Work::Job(job) => self.execute_job(job),
            Work::Fork(fork) => self.run_fork(fork),
            Work::Stolen(fork) => self.execute_stolen(fork),
        }
    }

    /// Runs what another thread has forked, and notes whether that was soon done.
    fn execute_stolen(&self, fork: Fork) {
        let begun = Instant::now();
        self.on_top(|_| self.context.run(fork));
        let quick = begun.elapsed() < QUICK;
        self.quick.set(if quick { (self.quick.get() + 1).min(MOST_QUICK) } else { 0 });
    }

    /// Executes whatever can be found, in the middle of a job; false if there is nothing.
    pub(crate) fn execute_any(&self) -> bool {
        let found = self.take_soon(1, true).or_else(|| {
            let found = self.look(true);
            if !self.deque.is_empty() {
                // Others may have looked for what was moved here while it was on its way.
                self.shared.sleep.publish();
                self.shared.seats.offer(&self.shared);
            }
            found
        });
        found.is_some_and(|work| {
            self.execute(work);
            true
        })
    }

    /// Runs forked work.
    pub(crate) fn run_fork(&self, fork: Fork) {
        self.on_top(|_| self.context.run(fork));
    }

    /// Deals with a job that was taken from a queue.
    fn execute_job(&self, mut job: JobRef) {
        if self.shared.phase() >= Phase::Broken {
            return self.shared.discard(job);
        }
        if let Some(job) = Arc::get_mut(&mut job) {
            self.on_top(|place| job.run_detached(place));
        } else {
            self.run(&*job);
        }
        self.shared.drop_job(job); // With the result, if its handle is gone.
    }

    /// Runs a job on top of those that are on the stack; true if it was still
    /// queued.
    pub(crate) fn run(&self, job: &dyn Run) -> bool {
        self.on_top(|place| job.run(place))
    }

    /// Calls `run`, which never unwinds, on top of the jobs that are on the stack.
    fn on_top<R>(&self, run: impl FnOnce(&Place<'_>) -> R) -> R {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        let place = Place {
            shared: Some(&self.shared),
            worker: Some((self.index, &self.slot.tally)),
            is_nested: depth > 0,
        };
        // Inside of another pool's `install`, it is its own pool that what it runs belongs to.
        let result = self.context.enter(&self.shared, || run(&place));
        self.depth.set(depth);
        result
    }
}
