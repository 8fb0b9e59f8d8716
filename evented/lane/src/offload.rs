//! The lane `evented+offload`: one loop that hands every task to its blocking pool.

use std::{collections::VecDeque, mem, sync::Arc};

use common::{
    Frontier, Job, Nature, Node, Outcome, Parts, Tree,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
    seq,
};
use evented::{Reactor, Task, TaskGroup};

use crate::io::{TaskResult, run_task_blocking};

/// One loop, with a thread per core for what would block it.
pub(crate) struct Offload;

impl Lane for Offload {
    fn info(&self) -> LaneInfo {
        LaneInfo {
            name: "evented+offload".into(),
            language: "rust".into(),
            what:
                "one evented::Reactor that runs every task on its blocking pool, one thread a core"
                    .into(),
        }
    }

    fn support(&self, plan: &Plan) -> Support {
        let no = |why: &str| Support::No { why: why.into() };
        match (plan.shape, plan.job.body.nature()) {
            (_, Nature::Wait | Nature::Network) => {
                no("to offload what waits is a thread for each wait: see threads")
            }
            (Shape::Transfer, _) => no("what is offloaded is handed to a thread: see threads"),
            (Shape::Loops, _) => no("what is offloaded cannot borrow the rows of a grid"),
            (Shape::Spawn(_), _) => no("what is offloaded starts nothing: its loop would"),
            _ => Support::Hybrid { with: "offload pool".into() },
        }
    }

    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let reactor = Reactor::builder().blocking_threads(config.workers).build();
        let reactor = reactor.map_err(|error| LaneError::failed("start the reactor", error))?;
        Ok(Box::new(OffloadSession { reactor, workers: config.workers, stuck: 0 }))
    }
}

/// A loop that is ready.
struct OffloadSession {
    /// The loop.
    reactor: Reactor,
    /// Threads of its blocking pool.
    workers: usize,
    /// Threads that hang in a task and will never come back.
    stuck: usize,
}

impl Session for OffloadSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        match plan.shape {
            Shape::Bag { tasks } => {
                let (outcome, stuck) = self.reactor.block_on(bag(plan, tasks, self.workers));
                self.stuck += stuck;
                Ok(outcome)
            }
            Shape::Graph => self.reactor.block_on(graph(plan, self.workers)),
            Shape::Tree => self.reactor.block_on(tree(plan, self.workers)),
            Shape::Spawn(_) | Shape::Loops | Shape::Transfer => {
                Err(LaneError::Unsupported("what is offloaded borrows and starts nothing".into()))
            }
        }
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        if self.stuck > 0 {
            // Joining a thread that hangs would hang too; the process is about to end.
            let stuck = self.stuck;
            mem::forget(self);
            return Err(LaneError::Failed(format!("{stuck} threads hang and cannot be joined")));
        }
        drop(self.reactor);
        Ok(())
    }
}

/// Independent tasks, a few more at a time than there are threads, collected in order; also how
/// many never came back.
async fn bag(plan: &Plan, tasks: u64, workers: usize) -> (Outcome, usize) {
    let job = Arc::new(plan.job.clone());
    let mut outcome = Outcome { units: workers as u64, ..Outcome::default() };
    let (mut alive, mut stuck) = (VecDeque::new(), 0);
    for index in 0..tasks {
        if alive.len() == workers * 4 {
            stuck += collect(&mut outcome, alive.pop_front()).await;
        }
        alive.push_back((index, offload(plan, Arc::clone(&job), index)));
    }
    while let Some(oldest) = alive.pop_front() {
        stuck += collect(&mut outcome, Some(oldest)).await;
    }
    (outcome, stuck)
}

/// Tasks that become ready as others finish.
async fn graph(plan: &Plan, workers: usize) -> Result<Outcome, LaneError> {
    let mut frontier = Frontier::new(&plan.job).ok_or_else(|| plan.misfit("graph"))?;
    let job = Arc::new(plan.job.clone());
    let mut outcome = Outcome { units: workers as u64, ..Outcome::default() };
    let mut running = TaskGroup::new();
    loop {
        while let Some(index) = frontier.next_ready() {
            let job = Arc::clone(&job);
            let run = evented::blocking(move || run_task_blocking(&job, index));
            running.spawn(async move { (index, run.await) });
        }
        let Some(finished) = running.next().await else { return Ok(outcome) };
        let (index, result) = finished.map_err(|error| LaneError::failed("run a task", error))?;
        let result = result.unwrap_or_else(|error| Err(error.to_string()));
        if let Ok(output) = &result {
            frontier.finish(index, output);
        }
        outcome.take(index, result);
    }
}

/// A tree whose top is walked here, and whose pieces are offloaded.
async fn tree(plan: &Plan, workers: usize) -> Result<Outcome, LaneError> {
    let tree = Tree::shared(&plan.job).ok_or_else(|| plan.misfit("tree"))?;
    let parts = Parts::of(&tree, workers * Parts::PER_WORKER);
    let piece = |node: &Node| {
        let (tree, node) = (Arc::clone(&tree), *node);
        evented::spawn(evented::blocking(move || seq::fold(&tree, node)))
    };
    let pieces: Vec<_> = parts.nodes.iter().map(piece).collect();
    let mut folds = Vec::new();
    for piece in pieces {
        let fold = piece.await.flatten();
        folds.push(fold.map_err(|error| LaneError::failed("fold a piece", error))?);
    }
    let digest = parts.fold(folds).digest();
    Ok(Outcome { digest, units: workers as u64, failed: Vec::new() })
}

/// A task that runs on the blocking pool, for at most as long as the plan gives it; `None` when
/// that was not enough.
fn offload(plan: &Plan, job: Arc<Job>, index: u64) -> Task<Option<TaskResult>> {
    let limit = plan.task_timeout();
    evented::spawn(async move {
        let run = evented::blocking(move || run_task_blocking(&job, index));
        let result = match limit {
            Some(limit) => evented::timeout(limit, run).await.ok()?,
            None => run.await,
        };
        Some(result.unwrap_or_else(|error| Err(error.to_string())))
    })
}

/// Awaits a task and takes its result; 1 when it never came back.
async fn collect(outcome: &mut Outcome, task: Option<(u64, Task<Option<TaskResult>>)>) -> usize {
    let Some((index, task)) = task else { return 0 };
    let result = task.await.unwrap_or_else(|error| Some(Err(error.to_string())));
    let stuck = usize::from(result.is_none());
    outcome.take(index, result.unwrap_or_else(|| Err("it did not end in time".into())));
    stuck
}
