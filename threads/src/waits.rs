//! Jobs that wait for each other, and would for ever.
//!
//! A job that blocks keeps all jobs on its thread's stack from finishing. So thread A
//! waits for thread B if a job that A waits for is running on B. The graph of these waits
//! is kept for the whole process: a circle may run through several pools, through threads
//! of their own, and through callers that run a job themselves.
//!
//! Whoever waits for one job, or for *all* of a set, waits for ever if one of those does;
//! whoever waits for *any* of a set, if all of them do. A job that is queued, or runs on a
//! thread that does not wait here, may still end: then so may the wait. Whoever waits for the
//! end of a pool waits for all its workers.
//!
//! # Why every circle is seen, and nothing else
//!
//! Each wait is entered, and looked at, under one lock when it begins (after a moment of
//! blocking). A wait that may end can become one that does not only by the beginning of
//! another wait, as a job that is queued or runs is no part of any circle. So a circle is
//! complete when the last of its waits is entered, and that look sees all others. (A wait for
//! any of a set which goes on although one of them has ended, as it waits for a failure, is
//! entered anew.)
//!
//! A thread that has been entered and has woken up meanwhile does no harm: it has woken
//! up as a job has finished, which the look sees.
//!
//! # What is not seen
//!
//! - Waits with a time limit: they end.
//! - Waits for something else than jobs and pools: locks, channels, events, room in a queue, the
//!   end of a scope, an executor that polls handles.
//! - Waits for one of more than [`MOST`] jobs. Those of them that end are not waited for
//!   again, so it is seen when less are left.

use crate::job::JobRef;
use crate::primitives::{Mutex, global, lock, thread_local};
use crate::worker;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most jobs of which one is waited for that are looked at, again with each wait.
pub(crate) const MOST: usize = 1024;

/// The number of the next thread that runs a job.
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The number of the calling thread among those that have run a job; zero before.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

global! {
    /// By thread, what it waits for without a time limit. Locked seldom: a thread that is
    /// about to block has waited for a while already.
    static WAITS: Mutex<Waits> = Mutex::new(BTreeMap::new());
}

/// By thread, what it waits for.
type Waits = BTreeMap<u64, Wait>;

/// A thread that waits.
struct Wait {
    /// The pool of which it is a worker.
    pool: Option<u64>,
    /// What it waits for.
    target: Arc<Target>,
}

/// What a thread waits for.
pub(crate) struct Target {
    /// These jobs.
    pub(crate) jobs: Vec<JobRef>,
    /// Whether all of them are needed, or any.
    pub(crate) all: bool,
    /// Instead of jobs, the end of all workers of the pool with this number.
    pub(crate) end_of: Option<u64>,
}

impl Target {
    /// One job.
    pub(crate) fn job(job: JobRef) -> Self {
        Self { jobs: vec![job], all: true, end_of: None }
    }

    /// All of these jobs, or any.
    pub(crate) fn jobs(jobs: Vec<JobRef>, all: bool) -> Self {
        Self { jobs, all, end_of: None }
    }

    /// The end of all workers of a pool.
    pub(crate) fn end_of(pool: u64) -> Self {
        Self { jobs: Vec::new(), all: true, end_of: Some(pool) }
    }
}

/// The number of the calling thread, which is about to run a job.
pub(crate) fn this_thread() -> u64 {
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}

/// The number of the calling thread if it has run a job. If not, nobody waits for it.
pub(crate) fn known_thread() -> Option<u64> {
    Some(NUMBER.with(Cell::get)).filter(|number| *number > 0)
}

/// The wait would never end: what is waited for waits for the calling thread.
#[derive(Debug)]
pub(crate) struct Stuck;

/// The calling thread waits for this until the guard is dropped. Without a guard if nobody can
/// wait for the thread.
///
/// # Panics
///
/// When it would wait for ever.
#[track_caller]
pub(crate) fn enter(target: &Arc<Target>) -> Option<Waiting> {
    match try_enter(target)? {
        Ok(waiting) => Some(waiting),
        Err(Stuck) => {
            panic!("jobs or threads that wait for each other in a circle would wait for ever")
        }
    }
}

/// Like [`enter`], but without a panic.
pub(crate) fn try_enter(target: &Arc<Target>) -> Option<Result<Waiting, Stuck>> {
    let pool = worker::current().map(|worker| worker.shared.number);
    // A worker is waited for by who waits for the end of its pool, whatever it has run.
    let thread = if pool.is_some() { this_thread() } else { known_thread()? };
    let mut waits = lock(&WAITS);
    // One that helps a job while it waits for another leaves the first wait before.
    waits.insert(thread, Wait { pool, target: Arc::clone(target) });
    let waiting = Waiting { thread };
    let stuck = is_stuck(&waits, thread);
    drop(waits);
    Some(if stuck { Err(Stuck) } else { Ok(waiting) })
}

/// From [`enter`].
pub(crate) struct Waiting {
    /// Who waits.
    thread: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let wait = lock(&WAITS).remove(&self.thread);
        drop(wait); // With no job's last reference: the waiting one has the handles.
    }
}

/// A thread that waits, as seen by one look at the graph.
struct Node {
    /// Whether one thread that it waits for and that is stuck is enough to be stuck.
    all: bool,
    /// Whether it waits for a job that may end by itself.
    open: bool,
    /// The threads it waits for.
    others: Vec<u64>,
}

impl Node {
    /// What a thread that waits for this waits for at the moment.
    fn look(waits: &Waits, target: &Target) -> Self {
        let mut node = Self { all: target.all, open: false, others: Vec::new() };
        if let Some(pool) = target.end_of {
            let workers = waits.iter().filter(|(_, wait)| wait.pool == Some(pool));
            node.others.extend(workers.map(|(thread, _)| *thread));
        }
        for job in &target.jobs {
            match job.runner().filter(|runner| waits.contains_key(runner)) {
                Some(runner) => node.others.push(runner),
                None => node.open = true,
            }
        }
        node
    }

    /// How many of those that it waits for have to go on before it does.
    fn needed(&self) -> usize {
        match (self.all, self.open) {
            (true, _) => self.others.len(),
            (false, true) => 0,
            (false, false) => 1,
        }
    }
}

/// Whether this thread waits for ever: of all those that it waits for, directly or not, the
/// ones that may go on are taken away until none of those is left.
fn is_stuck(waits: &Waits, thread: u64) -> bool {
    let mut nodes = BTreeMap::new();
    let mut next = vec![thread];
    while let Some(thread) = next.pop() {
        if let Some(wait) = waits.get(&thread).filter(|_| !nodes.contains_key(&thread)) {
            let node = Node::look(waits, &wait.target);
            next.extend(&node.others);
            nodes.insert(thread, node);
        }
    }
    // Backwards, from those that go on to those that wait for them: each edge is looked at once.
    let mut waiting: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut needed = BTreeMap::new();
    let mut going_on = Vec::new();
    for (&thread, node) in &nodes {
        for &other in &node.others {
            waiting.entry(other).or_default().push(thread);
        }
        needed.insert(thread, node.needed());
        if node.needed() == 0 {
            going_on.push(thread);
        }
    }
    while let Some(other) = going_on.pop() {
        for thread in waiting.remove(&other).unwrap_or_default() {
            let left = needed.get_mut(&thread).expect("it is one of the nodes");
            // One that goes on already may have others that do, too.
            if *left > 0 {
                *left -= 1;
                if *left == 0 {
                    going_on.push(thread);
                }
            }
        }
    }
    needed[&thread] > 0
}
