//! The lane `evented`: one loop on one thread.

use std::{collections::VecDeque, rc::Rc};

use common::{
    Frontier, Grid, Job, Nature, Outcome, Parcel, Tree,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
    seq,
};
use evented::{Reactor, Task, TaskGroup};

use crate::{
    family::family,
    io::{TaskResult, run_task},
    transfer,
};

/// Tasks that are alive at the same time where they do not wait.
const WINDOW: u64 = 1_024;

/// One loop on one thread.
pub(crate) struct OneLoop;

impl Lane for OneLoop {
    fn info(&self) -> LaneInfo {
        LaneInfo {
            name: "evented".into(),
            language: "rust".into(),
            what: "one evented::Reactor on one thread; computing runs on the loop".into(),
        }
    }

    fn support(&self, plan: &Plan) -> Support {
        if let Some(parcel) = Parcel::of(&plan.job) {
            return transfer::support(parcel.plan.mode);
        }
        match plan.job.body.nature() {
            Nature::Files => Support::Hybrid { with: "files are read on the blocking pool".into() },
            _ => Support::Native,
        }
    }

    fn open(&self, _: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        let reactor =
            Reactor::new().map_err(|error| LaneError::failed("start the reactor", error))?;
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let (grid, parcel) = (Grid::new(&plan.job), Parcel::of(&plan.job));
        Ok(Box::new(OneSession { reactor, grid, parcel }))
    }
}

/// A loop that is ready.
struct OneSession {
    /// The loop.
    reactor: Reactor,
    /// The grid, where the plan has one.
    grid: Option<Grid>,
    /// What is handed over, where the plan does that.
    parcel: Option<Parcel>,
}

impl Session for OneSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        let job = Rc::new(plan.job.clone());
        match plan.shape {
            Shape::Bag { tasks } => {
                Ok(self.reactor.block_on(bag(&job, tasks, plan.overlap.max(WINDOW))))
            }
            Shape::Graph => self.reactor.block_on(graph(&job, plan)),
            Shape::Spawn(offspring) => Ok(self.reactor.block_on(family(job, offspring, 0))),
            // Computing does not wait, so there is nothing to do in between: it is a call.
            Shape::Tree => {
                let tree = Tree::shared(&job).ok_or_else(|| plan.misfit("tree"))?;
                let fold = self.reactor.block_on(async { seq::fold(&tree, tree.root()) });
                Ok(Outcome { digest: fold.digest(), units: 1, failed: Vec::new() })
            }
            Shape::Transfer => {
                let parcel = self.parcel.as_mut().ok_or_else(|| plan.misfit("payload"))?;
                self.reactor.block_on(transfer::run(parcel))
            }
            Shape::Loops => {
                let grid = self.grid.as_mut().ok_or_else(|| plan.misfit("grid"))?;
                let run = async { grid.run(|before, after| before.fill(0, after)) };
                Ok(Outcome { digest: self.reactor.block_on(run), units: 1, failed: Vec::new() })
            }
        }
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        drop(self.reactor);
        Ok(())
    }
}

/// Independent tasks, at most `window` of them alive, collected in order.
async fn bag(job: &Rc<Job>, tasks: u64, window: u64) -> Outcome {
    let mut outcome = Outcome::default();
    let mut alive: VecDeque<(u64, Task<TaskResult>)> = VecDeque::new();
    for index in 0..tasks {
        if alive.len() as u64 == window {
            collect(&mut outcome, alive.pop_front()).await;
        }
        let job = Rc::clone(job);
        alive.push_back((index, evented::spawn(async move { run_task(&job, index).await })));
        outcome.units = outcome.units.max(alive.len() as u64);
    }
    while let Some(oldest) = alive.pop_front() {
        collect(&mut outcome, Some(oldest)).await;
    }
    outcome
}

/// Awaits a task and takes its result.
async fn collect(outcome: &mut Outcome, task: Option<(u64, Task<TaskResult>)>) {
    if let Some((index, task)) = task {
        outcome.take(index, task.await.unwrap_or_else(|error| Err(error.to_string())));
    }
}

/// Tasks that become ready as others finish.
async fn graph(job: &Rc<Job>, plan: &Plan) -> Result<Outcome, LaneError> {
    let mut frontier = Frontier::new(job).ok_or_else(|| plan.misfit("graph"))?;
    let mut outcome = Outcome::default();
    let mut running = TaskGroup::new();
    loop {
        while let Some(index) = frontier.next_ready() {
            let job = Rc::clone(job);
            running.spawn(async move { (index, run_task(&job, index).await) });
        }
        outcome.units = outcome.units.max(running.len() as u64);
        let Some(finished) = running.next().await else { return Ok(outcome) };
        let (index, result) = finished.map_err(|error| LaneError::failed("run a task", error))?;
        if let Ok(output) = &result {
            frontier.finish(index, output);
        }
        outcome.take(index, result);
    }
}
