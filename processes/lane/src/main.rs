//! Lane host of `processes`: the pool of worker processes.

mod transfer;

use std::{process::ExitCode, sync::Arc};

use common::{
    Body, Fold, Frontier, Job, Nature, Node, Outcome, Output, Parcel, Parts, Tree, body, host,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
    seq,
};
use processes::{AsCompleted, JoinError, Pool};

fn main() -> ExitCode {
    host::main("processes-lane", &[&PoolLane])
}

/// Most processes that are started to wait: each is a whole process.
const MOST_WAITING: u64 = 64;

/// Longest time that waits may take at that number before the lane declines, in microseconds.
const LONGEST_WAITS_US: u64 = 2_000_000;

/// What a task gives back.
type TaskResult = Result<Output, String>;

/// A task as it travels to a worker: every call carries its whole job.
type Call = (Arc<Job>, u64);

/// What a worker does for a call.
fn run_task((job, index): Call) -> TaskResult {
    body::run_blocking(&job, index).map_err(|error| error.to_string())
}

/// What a worker does for a piece of a tree: each worker has a tree of its own, made when it gets
/// its first piece.
fn run_piece((job, node): (Arc<Job>, Node)) -> Result<Fold, String> {
    let tree = Tree::shared(&job).ok_or("this job is no tree")?;
    Ok(seq::fold(&tree, node))
}

/// A pool of processes.
struct PoolLane;

impl Lane for PoolLane {
    fn info(&self) -> LaneInfo {
        LaneInfo {
            name: "processes".into(),
            language: "rust".into(),
            what: "processes::Pool, one worker process a core, every task a call of its own".into(),
        }
    }

    fn support(&self, plan: &Plan) -> Support {
        let no = |why: &str| Support::No { why: why.into() };
        match plan.shape {
            Shape::Spawn(_) => return no("a call cannot start calls in the pool that runs it"),
            Shape::Loops => return no("workers do not share the grid: each step would travel"),
            Shape::Transfer => {
                let misfit = || no("this job is no payload");
                return Parcel::of(&plan.job)
                    .map_or_else(misfit, |parcel| transfer::support(parcel.plan.mode));
            }
            Shape::Tree | Shape::Bag { .. } | Shape::Graph => {}
        }
        let (Body::Wait(wait), Shape::Bag { tasks }) = (&plan.job.body, plan.shape) else {
            return Support::Native;
        };
        if plan.overlap <= MOST_WAITING {
            return Support::Native;
        }
        let total_us = wait.wait_us.saturating_mul(tasks.div_ceil(MOST_WAITING));
        if total_us > LONGEST_WAITS_US {
            let seconds = total_us as f64 / 1e6;
            let why = format!("{MOST_WAITING} processes at a time would wait for {seconds:.0} s");
            return Support::No { why };
        }
        let why = "every wait that overlaps takes a whole process".into();
        Support::Ceiling { max: MOST_WAITING, why }
    }

    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        let workers = match plan.job.body.nature() {
            Nature::Network | Nature::Wait => plan.overlap.min(MOST_WAITING),
            _ => config.workers as u64,
        };
        let workers = usize::try_from(workers).unwrap_or(config.workers).max(1);
        let mut builder = Pool::builder().workers(workers).name("lane");
        if let Some(limit) = plan.task_timeout() {
            builder = builder.call_timeout(limit);
        }
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let pool = builder.build().map_err(|error| LaneError::failed("start the pool", error))?;
        Ok(Box::new(PoolSession { pool, parcel: Parcel::of(&plan.job) }))
    }
}

/// A pool that is ready.
struct PoolSession {
    /// The pool.
    pool: Pool,
    /// What is handed over, where the plan does that.
    parcel: Option<Parcel>,
}

impl Session for PoolSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        match plan.shape {
            Shape::Bag { tasks } => Ok(self.bag(plan, tasks)),
            Shape::Graph => self.graph(plan),
            Shape::Tree => self.tree(plan),
            Shape::Transfer => {
                let parcel = self.parcel.as_mut().ok_or_else(|| plan.misfit("payload"))?;
                transfer::run(&self.pool, parcel)
            }
            Shape::Spawn(_) | Shape::Loops => {
                Err(LaneError::Unsupported("calls share nothing and start nothing".into()))
            }
        }
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        self.pool.shutdown();
        Ok(())
    }
}

impl PoolSession {
    /// Independent tasks, collected in order.
    fn bag(&self, plan: &Plan, tasks: u64) -> Outcome {
        let job = Arc::new(plan.job.clone());
        let mut outcome = Outcome { units: self.pool.workers() as u64, ..Outcome::default() };
        let calls = (0..tasks).map(|index| (Arc::clone(&job), index));
        for (index, result) in (0..).zip(self.pool.map(run_task, calls)) {
            outcome.take(index, flatten(result));
        }
        outcome
    }

    /// Tasks that become ready as others finish.
    fn graph(&self, plan: &Plan) -> Result<Outcome, LaneError> {
        let mut frontier = Frontier::new(&plan.job).ok_or_else(|| plan.misfit("graph"))?;
        let job = Arc::new(plan.job.clone());
        let mut outcome = Outcome { units: self.pool.workers() as u64, ..Outcome::default() };
        let mut running = AsCompleted::new();
        loop {
            while let Some(index) = frontier.next_ready() {
                running.push(index, self.pool.submit(run_task, (Arc::clone(&job), index)));
            }
            let Some((index, result)) = running.next() else { return Ok(outcome) };
            let result = flatten(result);
            if let Ok(output) = &result {
                frontier.finish(index, output);
            }
            outcome.take(index, result);
        }
    }

    /// A tree whose top is walked here, and whose pieces are calls.
    fn tree(&self, plan: &Plan) -> Result<Outcome, LaneError> {
        let job = Arc::new(plan.job.clone());
        let tree = Tree::shared(&job).ok_or_else(|| plan.misfit("tree"))?;
        let parts = Parts::of(&tree, self.pool.workers() * Parts::PER_WORKER);
        let calls = parts.nodes.iter().map(|node| (Arc::clone(&job), *node));
        let folds: Result<Vec<Fold>, String> =
            self.pool.map(run_piece, calls).map(flatten).collect();
        let folds = folds.map_err(|error| LaneError::failed("fold a piece", error))?;
        let digest = parts.fold(folds).digest();
        Ok(Outcome { digest, units: self.pool.workers() as u64, failed: Vec::new() })
    }
}

/// One error, whether the task failed or the call did.
fn flatten<T>(result: Result<Result<T, String>, JoinError>) -> Result<T, String> {
    result.unwrap_or_else(|error| Err(error.to_string()))
}
