//! The lane `chili`.
//!
//! `join` of chili runs its second closure first, and keeps the first one for others: so the half
//! that is to be visited first is given second.

use std::{num::NonZero, ops::Range, sync::Arc};

use chili::{Config, Scope, ThreadPool};
use common::{
    Before, Digest, Fold, Grid, Node, Tree, Visit,
    lane::{LaneError, Offspring},
};

use crate::peer::{Peer, Work};

/// A pool of chili.
pub(crate) struct Chili(ThreadPool);

impl Peer for Chili {
    const NAME: &'static str = "chili";
    const WHAT: &'static str = "chili::ThreadPool, one thread a core: join, shared at a heartbeat";

    fn start(workers: usize) -> Result<Self, LaneError> {
        // The calling thread is one of them.
        let thread_count = NonZero::new(workers);
        Ok(Self(ThreadPool::with_config(Config { thread_count, ..Config::default() })))
    }

    fn bag(&self, work: &Arc<Work>, tasks: u64) {
        each(&mut self.0.scope(), 0..tasks, &|_, index| work.task(index));
    }

    fn tree(&self, tree: &Arc<Tree>) -> Fold {
        fold(&mut self.0.scope(), tree, tree.root())
    }

    fn loops(&self, grid: &mut Grid) -> Digest {
        let mut scope = self.0.scope();
        grid.run(|before, after| rows(&mut scope, before, 0, after))
    }

    fn spawn(&self, work: &Arc<Work>, offspring: Offspring) -> u64 {
        family(&mut self.0.scope(), work, offspring, 0);
        offspring.tasks
    }
}

/// Folds what is below a node: both halves may run at the same time.
fn fold(scope: &mut Scope<'_>, tree: &Tree, node: Node) -> Fold {
    match tree.visit(node) {
        Visit::Leaf(fold) => fold,
        Visit::Inner { own, left, right } => {
            let (right, left) =
                scope.join(|scope| fold(scope, tree, right), |scope| fold(scope, tree, left));
            Fold::of(own, left, right)
        }
    }
}

/// Computes rows from `first` on: halves of them may run at the same time, down to single rows.
fn rows(scope: &mut Scope<'_>, before: Before<'_>, first: usize, cells: &mut [u32]) {
    let count = cells.len() / before.columns();
    if count <= 1 {
        before.fill(first, cells);
        return;
    }
    let (upper, lower) = cells.split_at_mut(count / 2 * before.columns());
    scope.join(
        |scope| rows(scope, before, first + count / 2, lower),
        |scope| rows(scope, before, first, upper),
    );
}

/// One task, and then those that come of it. There is no spawning: whoever starts them joins them.
fn family(scope: &mut Scope<'_>, work: &Work, offspring: Offspring, index: u64) {
    work.task(index);
    let children = offspring.children(index);
    each(scope, children, &|scope, child| family(scope, work, offspring, child));
}

/// Calls `run` with each number, halves of which may run at the same time.
fn each(scope: &mut Scope<'_>, numbers: Range<u64>, run: &(dyn Fn(&mut Scope<'_>, u64) + Sync)) {
    if numbers.end - numbers.start <= 1 {
        numbers.for_each(|number| run(scope, number));
        return;
    }
    let middle = u64::midpoint(numbers.start, numbers.end);
    scope.join(
        |scope| each(scope, middle..numbers.end, run),
        |scope| each(scope, numbers.start..middle, run),
    );
}
