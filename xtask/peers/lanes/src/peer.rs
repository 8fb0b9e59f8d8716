//! What the lanes have in common.

use std::{marker::PhantomData, sync::Arc};

use common::{
    Digest, Fold, Grid, Job, Nature, Outcome, Tally, Tree, body,
    lane::{Config, Lane, LaneError, LaneInfo, Offspring, Plan, Session, Shape, Support},
};

/// Another runtime, ready to run.
pub(crate) trait Peer: Sized + Send + Sync + 'static {
    /// The name of its lane.
    const NAME: &'static str;

    /// One sentence: what runs where.
    const WHAT: &'static str;

    /// Why it cannot run loops over memory that they share, if so.
    const NO_LOOPS: Option<&'static str> = None;

    /// Starts it with so many threads that compute.
    fn start(workers: usize) -> Result<Self, LaneError>;

    /// Runs independent tasks, each of which counts itself.
    fn bag(&self, work: &Arc<Work>, tasks: u64);

    /// Folds a tree.
    fn tree(&self, tree: &Arc<Tree>) -> Fold;

    /// Runs all steps of a grid. Never called if there are [no loops](Self::NO_LOOPS).
    fn loops(&self, grid: &mut Grid) -> Digest;

    /// Runs the first task and all that come of it, each of which counts itself; how many threads or
    /// tasks were really started for it.
    fn spawn(&self, work: &Arc<Work>, offspring: Offspring) -> u64;
}

/// Tasks that are run by number.
pub(crate) struct Work {
    /// What they do.
    job: Job,
    /// Where they count themselves.
    tally: Tally,
}

impl Work {
    /// Runs a task on the calling thread.
    pub(crate) fn task(&self, index: u64) {
        self.tally.take(index, body::run_blocking(&self.job, index));
    }
}

/// The lane of a peer.
#[derive(Debug)]
pub(crate) struct PeerLane<P>(PhantomData<fn() -> P>);

impl<P> PeerLane<P> {
    /// There is nothing to know about it.
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<P: Peer> Lane for PeerLane<P> {
    fn info(&self) -> LaneInfo {
        LaneInfo { name: P::NAME.into(), language: "rust".into(), what: P::WHAT.into() }
    }

    fn support(&self, plan: &Plan) -> Support {
        let no = |why: &str| Support::No { why: why.into() };
        match (plan.shape, plan.job.body.nature()) {
            (Shape::Graph, _) => no("this peer runs what computes and is known in advance"),
            (Shape::Loops, Nature::Compute) => P::NO_LOOPS.map_or(Support::Native, no),
            (_, Nature::Compute) => Support::Native,
            _ => no("this peer runs what computes, and nothing else"),
        }
    }

    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let (peer, workers) = (P::start(config.workers)?, config.workers as u64);
        Ok(Box::new(PeerSession { peer, workers, grid: Grid::new(&plan.job) }))
    }
}

/// A peer that is ready.
struct PeerSession<P> {
    /// The peer.
    peer: P,
    /// Its threads that compute.
    workers: u64,
    /// The grid, where the plan has one.
    grid: Option<Grid>,
}

impl<P: Peer> Session for PeerSession<P> {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        let work = || Arc::new(Work { job: plan.job.clone(), tally: Tally::default() });
        let units = self.workers;
        let whole = |digest| Outcome { digest, units, failed: Vec::new() };
        match plan.shape {
            Shape::Bag { tasks } => {
                let work = work();
                self.peer.bag(&work, tasks);
                Ok(Outcome { units, ..work.tally.outcome() })
            }
            Shape::Tree => {
                let tree = Tree::shared(&plan.job).ok_or_else(|| plan.misfit("tree"))?;
                Ok(whole(self.peer.tree(&tree).digest()))
            }
            Shape::Loops => {
                let grid = self.grid.as_mut().ok_or_else(|| plan.misfit("grid"))?;
                Ok(whole(self.peer.loops(grid)))
            }
            Shape::Spawn(offspring) => {
                let work = work();
                let units = self.peer.spawn(&work, offspring);
                Ok(Outcome { units, ..work.tally.outcome() })
            }
            Shape::Graph | Shape::Transfer => {
                Err(LaneError::Unsupported("a graph, and a payload".into()))
            }
        }
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        Ok(())
    }
}
