//! What a worker does while one of its jobs waits.
//!
//! A job that joins a job which is still queued runs it on the spot ([`help`]). A
//! job that has to wait blocks its worker: for a moment as it is, and then without
//! its seat ([`aside`]), which another worker takes (see `src/seats.rs`). So a pool whose
//! workers all wait still moves on.
//!
//! Jobs that are run on the spot lie on top of each other on the stack, each
//! waiting for the next. From [`DEPTH`] on, the worker does not run but blocks, so
//! that the next one begins with another worker's empty stack.

use crate::deadline::Deadline;
use crate::home::Home;
use crate::job::Run;
use crate::nesting;
use crate::waits::{self, Stuck, Target};
use crate::worker::{self, Worker};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker blocks before it gives up its seat: a few times what it costs
/// to have another one take it.
const GRACE: Duration = Duration::from_micros(100);

/// The most jobs that lie on top of each other on a stack while another worker could
/// take the next. Each may use 16 KiB of the usual stack of 2 MiB.
pub(crate) const DEPTH: u32 = 128;

/// The most when no other worker could.
pub(crate) const GREATEST_DEPTH: u32 = 512;

/// Whether there are jobs that [`help`] could run on the calling thread.
pub(crate) fn can_help() -> bool {
    worker::is_current() || nesting::is_inside()
}

/// On a worker of the job's own pool: runs it if it is still queued, true if so. The same
/// in a job of an inline pool, for one that was put off.
///
/// # Panics
///
/// When too many jobs wait for each other on the stack, and the pool can have no
/// more workers.
pub(crate) fn help(job: &dyn Run) -> bool {
    let Home::Pool(pool) = job.home() else { return false };
    let Some(worker) = worker::current().filter(|worker| worker.shared.number == *pool) else {
        return nesting::help(job);
    };
    if worker.depth.get() >= DEPTH && worker.shared.seats.could_step_aside() {
        return false;
    }
    worker.help(job)
}

impl Target {
    /// The first job that is queued and that this worker could run.
    fn first_for(&self, worker: &Worker) -> Option<&dyn Run> {
        let pool = worker.shared.number;
        let job = self.jobs.iter().find(|job| job.home().is_pool(pool) && job.is_queued());
        job.map(|job| &**job)
    }
}

impl Worker {
    /// Runs a job unless too many wait for it on the stack.
    fn help(&self, job: &dyn Run) -> bool {
        assert!(
            self.depth.get() < GREATEST_DEPTH || !job.is_queued(),
            "{GREATEST_DEPTH} jobs wait for each other on one stack, and the pool can have no \
             more workers: allow it more spares, or join fewer levels deep"
        );
        let ran = self.run(job);
        if ran {
            self.count_shell();
        }
        ran
    }
}

/// Calls `wait`, which blocks until something has happened or the deadline that it
/// is given is over (`None`); a worker that has to wait for long steps aside.
pub(crate) fn aside<T>(
    deadline: Deadline,
    mut wait: impl FnMut(Deadline) -> Option<T>,
) -> Option<T> {
    if worker::is_current() { aside_for(deadline, || None, wait) } else { wait(deadline) }
}

/// [`aside`], where the wait ends when jobs do: `target` says which, if that is to be known.
///
/// # Panics
///
/// When the wait would never end, as the jobs wait for one on the own stack.
#[track_caller]
pub(crate) fn aside_for<T>(
    deadline: Deadline,
    target: impl FnOnce() -> Option<Target>,
    mut wait: impl FnMut(Deadline) -> Option<T>,
) -> Option<T> {
    let worker = worker::current();
    if worker.is_none() && waits::known_thread().is_none() {
        return wait(deadline);
    }
    let (first, is_all) = first_part(deadline);
    let soon = wait(first);
    if soon.is_some() || is_all {
        return soon;
    }
    // With a time limit, the wait ends by itself, and must not become a longer one.
    let target = if matches!(deadline, Deadline::Never) { target().map(Arc::new) } else { None };
    loop {
        // In this order: stepping aside may run a part of a broadcast, for which others wait.
        let away = worker.as_ref().map(Away::new);
        let waiting = target.as_ref().map(waits::enter);
        let (Some(worker), Some(away)) = (&worker, away) else { return wait(deadline) };
        // If nobody is left who could begin what is queued, it is up to this one.
        let target = target.as_ref().filter(|_| !away.others);
        let Some(job) = target.and_then(|target| target.first_for(worker)) else {
            return wait(deadline);
        };
        drop((away, waiting));
        worker.help(job);
        let soon = wait(Deadline::after(Duration::ZERO));
        if soon.is_some() {
            return soon;
        }
    }
}

/// Calls `wait`, which blocks until the pool with this number has ended; a worker steps aside
/// for that. `None`, without a call, if the pool cannot end before the calling thread goes on.
pub(crate) fn for_end_of<T>(pool: u64, wait: impl FnOnce() -> T) -> Option<T> {
    let worker = worker::current();
    let _away = worker.as_ref().map(Away::new);
    match waits::try_enter(&Arc::new(Target::end_of(pool))) {
        Some(Err(Stuck)) => None,
        _waiting => Some(wait()),
    }
}

/// [`aside`] for a wait that is a loop: what it has to do about time.
pub(crate) struct Patience {
    /// When the wait ends.
    deadline: Deadline,
    /// When it is to look again.
    next: Deadline,
    /// Whether `next` is over.
    is_due: bool,
    /// The calling thread, if it is a worker that will step aside then.
    worker: Option<Rc<Worker>>,
    /// The worker has stepped aside until this is dropped.
    away: Option<Away>,
}

impl Patience {
    /// A wait until `deadline` begins.
    pub(crate) fn new(deadline: Deadline) -> Self {
        let (worker, next) = match (worker::current(), first_part(deadline)) {
            (Some(worker), (first, false)) => (Some(worker), first),
            _ => (None, deadline),
        };
        Self { deadline, next, is_due: false, worker, away: None }
    }

    /// How long to block.
    pub(crate) fn next(&self) -> Deadline {
        self.next
    }

    /// The caller has blocked until that time was over.
    pub(crate) fn time_is_over(&mut self) {
        self.is_due = true;
    }

    /// Whether the wait is over.
    pub(crate) fn is_over(&self) -> bool {
        self.is_due && self.worker.is_none()
    }

    /// Whether it is time to [`step_aside`](Patience::step_aside).
    pub(crate) fn is_due(&self) -> bool {
        self.is_due
    }

    /// The worker steps aside. The caller then looks for what it waits for before it blocks
    /// again.
    pub(crate) fn step_aside(&mut self) {
        self.away = self.worker.take().map(|worker| Away::new(&worker));
        (self.next, self.is_due) = (self.deadline, false);
    }
}

/// How long to wait before stepping aside, and whether that is all.
fn first_part(deadline: Deadline) -> (Deadline, bool) {
    match (deadline, Deadline::after(GRACE)) {
        (Deadline::At(end), Deadline::At(grace)) if end <= grace => (deadline, true),
        (_, grace) => (grace, false),
    }
}

/// Calls `f`, which will block. On a worker of a pool, another one takes its seat
/// meanwhile, so that the pool executes as many jobs as before.
///
/// For a job that waits for something that the pool cannot see: a file, a socket, a
/// channel, a lock that is held for long. Waiting for a handle does the same by
/// itself after a moment, as do [most waits](crate::Pool#waiting-inside-a-job) of this
/// crate. Without it nothing breaks, but there is one worker less
/// for that time, and a pool whose workers all wait for what another job of it
/// would do does not move on.
///
/// Another worker is one that is left over from an earlier call, or else a new
/// thread. There are at most [`Builder::spares`](crate::Builder::spares) such threads
/// beside the workers; beyond that, and if the system gives no more threads, `f` is
/// called all the same, with one worker less. When `f` has returned, its job goes on at once, and the
/// next worker that has finished a job is one too many: its thread ends if it is
/// not needed again within a second.
///
/// Costs some tens of microseconds. On any other thread, and inside of another call
/// of `blocking`, it just calls `f`.
///
/// ```
/// use std::sync::{Arc, mpsc};
///
/// let pool = Arc::new(threads::Pool::new(1)?);
/// let inner = Arc::clone(&pool);
/// let outer = pool.spawn(move || {
///     let (send, receive) = mpsc::channel();
///     drop(inner.spawn(move || send.send(42)));
///     // The only worker waits for a job that has not begun.
///     threads::blocking(|| receive.recv())
/// });
/// assert_eq!(outer.join()?, Ok(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blocking<T>(f: impl FnOnce() -> T) -> T {
    let worker = worker::current();
    let _away = worker.as_ref().map(Away::new);
    f()
}

/// A worker that has given up its seat, unless it had none; it is back when this is
/// dropped.
struct Away {
    /// The worker. `None` if it had no seat to give up.
    worker: Option<Rc<Worker>>,
    /// Whether anybody held a seat then.
    others: bool,
}

impl Away {
    /// The calling worker gives up its seat.
    fn new(worker: &Rc<Worker>) -> Self {
        if worker.aside.replace(true) {
            return Self { worker: None, others: worker.shared.seats.any_seated() };
        }
        worker.context.offer_all();
        loop {
            let others = worker.shared.seats.step_aside(&worker.shared);
            // Only now, so that there is an open mailbox all the time.
            let Some(fork) = worker.slot.mail.close() else {
                return Self { worker: Some(Rc::clone(worker)), others };
            };
            // With its seat, as it may have to step aside in its turn.
            worker.aside.set(false);
            worker.shared.seats.come_back(&worker.shared);
            worker.run_fork(fork);
            worker.aside.set(true);
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.aside.set(false);
            worker.open_mail();
            worker.shared.seats.come_back(&worker.shared);
        }
    }
}
