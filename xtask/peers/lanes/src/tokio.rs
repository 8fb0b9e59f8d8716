//! The lane `tokio`.

use std::sync::Arc;

use common::{
    Digest, Fold, Grid, Node, Parts, Tree,
    lane::{LaneError, Offspring},
    seq,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use crate::peer::{Peer, Work};

/// A runtime of tokio.
pub(crate) struct Tokio {
    /// The runtime.
    runtime: Runtime,
    /// Threads of each of its pools.
    workers: usize,
}

impl Peer for Tokio {
    const NAME: &'static str = "tokio";
    const WHAT: &'static str = "tokio's multi-thread runtime, one worker a core: tasks; pieces of a tree by spawn_blocking";
    const NO_LOOPS: Option<&'static str> =
        Some("a task cannot borrow the rows of a grid: each step would move them in and out");

    fn start(workers: usize) -> Result<Self, LaneError> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(workers).max_blocking_threads(workers).build();
        let runtime = runtime.map_err(|error| LaneError::failed("start the runtime", error))?;
        Ok(Self { runtime, workers })
    }

    fn bag(&self, work: &Arc<Work>, tasks: u64) {
        let start = |index| {
            let work = Arc::clone(work);
            self.runtime.spawn(async move { work.task(index) })
        };
        let tasks: Vec<_> = (0..tasks).map(start).collect();
        self.runtime.block_on(wait_for(tasks));
    }

    fn tree(&self, tree: &Arc<Tree>) -> Fold {
        let parts = Parts::of(tree, self.workers * Parts::PER_WORKER);
        let piece = |node: &Node| {
            let (tree, node) = (Arc::clone(tree), *node);
            self.runtime.spawn_blocking(move || seq::fold(&tree, node))
        };
        let pieces: Vec<_> = parts.nodes.iter().map(piece).collect();
        parts.fold(self.runtime.block_on(wait_for(pieces)))
    }

    fn loops(&self, grid: &mut Grid) -> Digest {
        // The lane says that it has none.
        grid.run(|_, _| ())
    }

    fn spawn(&self, work: &Arc<Work>, offspring: Offspring) -> u64 {
        self.runtime.block_on(async { wait_for(vec![start(work, offspring, 0)]).await });
        offspring.tasks
    }
}

/// Starts a task, which starts others and waits for them.
fn start(work: &Arc<Work>, offspring: Offspring, index: u64) -> JoinHandle<()> {
    let work = Arc::clone(work);
    tokio::spawn(async move {
        work.task(index);
        let children = offspring.children(index).map(|child| start(&work, offspring, child));
        wait_for(children.collect()).await;
    })
}

/// What came of tasks, in order.
async fn wait_for<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.expect("no task panics or is cancelled"));
    }
    results
}
