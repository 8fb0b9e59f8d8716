//! The lane `std`: threads of the standard library, as many at a time as there are cores, started
//! anew for each piece of work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Scope},
};

use common::{
    Digest, Fold, Grid, Parts, Tree,
    lane::{LaneError, Offspring},
    seq,
};

use crate::peer::{Peer, Work};

/// So many threads at a time.
pub(crate) struct Std(usize);

impl Peer for Std {
    const NAME: &'static str = "std";
    const WHAT: &'static str = "std::thread::scope, a thread a core, started anew each time";

    fn start(workers: usize) -> Result<Self, LaneError> {
        Ok(Self(workers))
    }

    fn bag(&self, work: &Arc<Work>, tasks: u64) {
        // Only the count matters: nothing is published with it.
        let next = AtomicU64::new(0);
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < tasks);
        thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| std::iter::from_fn(take).for_each(|index| work.task(index)));
            }
        });
    }

    fn tree(&self, tree: &Arc<Tree>) -> Fold {
        let parts = Parts::of(tree, self.0 * Parts::PER_WORKER);
        let next = AtomicUsize::new(0);
        let take = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            Some((number, *parts.nodes.get(number)?))
        };
        let share = || {
            let taken = std::iter::from_fn(take);
            taken.map(|(number, node)| (number, seq::fold(tree, node))).collect::<Vec<_>>()
        };
        let mut folds = vec![Fold::default(); parts.nodes.len()];
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.0).map(|_| scope.spawn(share)).collect();
            for thread in threads {
                for (number, fold) in thread.join().expect("no node panics") {
                    folds[number] = fold;
                }
            }
        });
        parts.fold(folds)
    }

    fn loops(&self, grid: &mut Grid) -> Digest {
        grid.run(|before, after| {
            let rows = (after.len() / before.columns()).div_ceil(self.0).max(1);
            thread::scope(|scope| {
                for (number, cells) in after.chunks_mut(rows * before.columns()).enumerate() {
                    scope.spawn(move || before.fill(number * rows, cells));
                }
            });
        })
    }

    fn spawn(&self, work: &Arc<Work>, offspring: Offspring) -> u64 {
        let family = Family {
            work,
            offspring,
            idle: AtomicUsize::new(self.0 - 1),
            started: AtomicU64::new(1),
        };
        thread::scope(|scope| family.task(scope, 0));
        family.started.into_inner()
    }
}

/// Tasks that start others.
struct Family<'a> {
    /// What they do.
    work: &'a Work,
    /// Which they start.
    offspring: Offspring,
    /// Threads that may be started now.
    idle: AtomicUsize,
    /// Threads that were.
    started: AtomicU64,
}

impl Family<'_> {
    /// One task, and then those that come of it: each on a thread of its own if one may be started,
    /// else one after another.
    fn task<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, index: u64) {
        self.work.task(index);
        for child in self.offspring.children(index) {
            // Nothing is published with either count: the scope joins all threads.
            let take = |idle: usize| idle.checked_sub(1);
            if self.idle.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                self.task(scope, child);
                continue;
            }
            self.started.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move || {
                self.task(scope, child);
                self.idle.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
}
