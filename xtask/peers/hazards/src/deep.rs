//! How much lies on one stack.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use crate::{flag::Flag, fork::Fork};

/// Scopes inside of scopes.
const SCOPES: u32 = 10_000;

/// What each scope keeps on the stack, in bytes: together they are more than twice what the two
/// workers have. With nothing on it, it was a matter of luck whether one of the stacks was too short.
const PAGE: usize = 1 << 10;

/// Jobs that have nothing to do with each other.
const JOBS: u32 = 2_000;

/// What each job keeps on the stack, in bytes: together they are four times the 2 MiB that a
/// thread has.
const BUFFER: usize = 1 << 12;

/// Scopes nested deeply.
pub(crate) fn scopes<F: Fork>() {
    fn nest<F: Fork>(left: u32) -> u32 {
        let (mut below, page) = (0, black_box([1_u8; PAGE]));
        if left > 1 {
            F::scope(|| below = nest::<F>(left - 1), || ());
        }
        below + u32::from(black_box(page)[0])
    }
    assert_eq!(F::start(2).run(|| nest::<F>(SCOPES)), SCOPES);
}

/// Jobs one after the other, each of which waits for something short, while the next one is there
/// already.
pub(crate) fn jobs<F: Fork>() {
    let chain =
        Arc::new(Chain { pool: F::start(2), ended: AtomicU32::new(0), done: Flag::default() });
    let first = Arc::clone(&chain);
    chain.pool.spawn(move || first.job(1));
    chain.done.wait();
    assert_eq!(chain.ended.load(SeqCst), JOBS);
}

/// What the jobs share.
struct Chain<F> {
    /// Where they run.
    pool: F,
    /// How many have ended.
    ended: AtomicU32,
    /// All have.
    done: Flag,
}

impl<F: Fork> Chain<F> {
    /// Spawns the next job, and waits for a task on the other worker, which ends when that job has
    /// begun.
    fn job(self: Arc<Self>, number: u32) {
        let buffer = black_box([1_u8; BUFFER]);
        if number < JOBS {
            let [taken, begun] = [(); 2].map(|()| Arc::new(Flag::default()));
            let (next, beginning) = (Arc::clone(&self), Arc::clone(&begun));
            let task = || {
                taken.set();
                begun.wait();
            };
            F::scope(task, || {
                taken.wait();
                self.pool.spawn(move || {
                    beginning.set();
                    next.job(number + 1);
                });
            });
        }
        let one = u32::from(black_box(buffer)[0]);
        if self.ended.fetch_add(one, SeqCst) + one == JOBS {
            self.done.set();
        }
    }
}
