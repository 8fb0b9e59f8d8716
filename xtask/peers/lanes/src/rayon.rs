//! The lane `rayon`.

use std::sync::Arc;

use common::{
    Digest, Fold, Grid, Node, Tree, Visit,
    lane::{LaneError, Offspring},
};
use rayon::{
    Scope, ThreadPool, ThreadPoolBuilder,
    iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use crate::peer::{Peer, Work};

/// A pool of rayon.
pub(crate) struct Rayon(ThreadPool);

impl Peer for Rayon {
    const NAME: &'static str = "rayon";
    const WHAT: &'static str =
        "rayon::ThreadPool, one worker a core: join, scope and parallel iterators";

    fn start(workers: usize) -> Result<Self, LaneError> {
        let pool = ThreadPoolBuilder::new().num_threads(workers).build();
        pool.map(Self).map_err(|error| LaneError::failed("start the pool", error))
    }

    fn bag(&self, work: &Arc<Work>, tasks: u64) {
        self.0.install(|| (0..tasks).into_par_iter().for_each(|index| work.task(index)));
    }

    fn tree(&self, tree: &Arc<Tree>) -> Fold {
        self.0.install(|| fold(tree, tree.root()))
    }

    fn loops(&self, grid: &mut Grid) -> Digest {
        self.0.install(|| {
            grid.run(|before, after| {
                let rows = after.par_chunks_mut(before.columns()).enumerate();
                rows.for_each(|(row, cells)| before.fill(row, cells));
            })
        })
    }

    fn spawn(&self, work: &Arc<Work>, offspring: Offspring) -> u64 {
        self.0.scope(|scope| task(scope, work, offspring, 0));
        offspring.tasks
    }
}

/// Folds what is below a node: both halves may run at the same time.
fn fold(tree: &Tree, node: Node) -> Fold {
    match tree.visit(node) {
        Visit::Leaf(fold) => fold,
        Visit::Inner { own, left, right } => {
            let (left, right) = rayon::join(|| fold(tree, left), || fold(tree, right));
            Fold::of(own, left, right)
        }
    }
}

/// One task, which starts others.
fn task<'scope>(scope: &Scope<'scope>, work: &'scope Work, offspring: Offspring, index: u64) {
    work.task(index);
    for child in offspring.children(index) {
        scope.spawn(move |scope| task(scope, work, offspring, child));
    }
}
