//! Jobs that are run by whoever spawns them, on a thread that is no worker of their pool.
//!
//! They lie on top of each other on the stack: a job that spawns a job that spawns a
//! job. From [`DEPTH`] on, a pool with workers queues the next one instead. An inline
//! pool has nobody else: there, the next one is *put off* until the outermost of these
//! jobs has ended, or until one of them waits for it. So a chain of any length runs,
//! and all of it has when the outermost `spawn` returns.

use crate::fork::{context::Context, guests};
use crate::home::{Home, Place};
use crate::job::{JobRef, Run};
use crate::pools;
use crate::primitives::thread_local;
use crate::shared::{Phase, Shared};
use crate::waiting::{DEPTH, GREATEST_DEPTH};
use crate::worker;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

thread_local! {
    /// How many of these jobs lie on the stack.
    static LEVELS: Cell<u32> = const { Cell::new(0) };

    /// Jobs of inline pools that the outermost job on the stack runs when it has ended.
    static PUT_OFF: RefCell<VecDeque<(Arc<Shared>, JobRef)>> =
        const { RefCell::new(VecDeque::new()) };
}

/// Whether so many jobs lie on the calling thread's stack that a new one should rather
/// be queued than run on top of them.
pub(crate) fn is_deep() -> bool {
    levels() >= DEPTH || worker::current().is_some_and(|worker| worker.depth.get() >= DEPTH)
}

/// Whether such a job lies on the calling thread's stack.
pub(crate) fn is_inside() -> bool {
    levels() > 0
}

/// Runs a job on the calling thread. Never unwinds.
pub(crate) fn run(shared: &Arc<Shared>, job: JobRef) {
    on_top(shared, &*job);
    shared.drop_job(job);
    if levels() == 0 {
        while let Some((shared, job)) = next(|_| true) {
            on_top(&shared, &*job);
            shared.drop_job(job);
        }
    }
}

/// An inline pool ends: runs or discards what was put off on the calling thread. Nobody
/// else can have spawned something in it that has not been run.
pub(crate) fn finish(shared: &Shared) {
    while let Some((shared, job)) = next(|other| other.number == shared.number) {
        if shared.phase() >= Phase::Broken {
            shared.discard(job);
        } else {
            on_top(&shared, &*job);
            shared.drop_job(job);
        }
    }
}

/// Runs a job of an inline pool, now or later. Never unwinds.
pub(crate) fn run_or_put_off(shared: &Arc<Shared>, job: JobRef) {
    let mut job = Some(job);
    if levels() >= DEPTH {
        let put_off = |later: &RefCell<VecDeque<_>>| {
            let parts = job.take().map(|job| (Arc::clone(shared), job));
            later.borrow_mut().extend(parts);
        };
        // A thread that ends may have no list any more.
        PUT_OFF.try_with(put_off).unwrap_or_default();
    }
    if let Some(job) = job {
        run(shared, job);
    }
}

/// In a job that lies on the calling thread's stack: runs a job of an inline pool that
/// was put off, true if so.
///
/// # Panics
///
/// When too many jobs wait for each other on the stack.
pub(crate) fn help(job: &dyn Run) -> bool {
    let Home::Pool(pool) = job.home() else { return false };
    if !is_inside() || !job.is_queued() {
        return false;
    }
    let Some(shared) = pools::find(*pool).filter(|shared| shared.settings.inline) else {
        return false;
    };
    assert!(
        levels() < GREATEST_DEPTH,
        "{GREATEST_DEPTH} jobs wait for each other on one stack, and an inline pool has no other: \
         join fewer levels deep"
    );
    on_top(&shared, job)
}

/// Runs a job on top of those that are on the stack; true if it was still queued. It forks in its
/// own pool.
fn on_top(shared: &Arc<Shared>, job: &dyn Run) -> bool {
    let levels = levels();
    LEVELS.with(|now| now.set(levels + 1));
    let place = Place { shared: Some(shared), worker: None, is_nested: true };
    // Without more frames on the stack if it is in that pool already.
    let is_inside = Context::with(|context| context.is_some_and(|context| context.is_of(shared)));
    let ran = if is_inside { job.run(&place) } else { guests::enter(shared, |_| job.run(&place)) };
    LEVELS.with(|now| now.set(levels));
    ran
}

/// How many of these jobs lie on the stack.
fn levels() -> u32 {
    LEVELS.with(Cell::get)
}

/// The oldest job that was put off, of those whose pool is such a one.
fn next(pool: impl Fn(&Shared) -> bool) -> Option<(Arc<Shared>, JobRef)> {
    let take = |later: &RefCell<VecDeque<(Arc<Shared>, JobRef)>>| {
        let mut later = later.borrow_mut();
        let place = later.iter().position(|(shared, _)| pool(shared))?;
        later.remove(place)
    };
    PUT_OFF.try_with(take).ok().flatten()
}
