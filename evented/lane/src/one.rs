//! The lane `evented`: one loop on one thread.

use std::{collections::VecDeque, rc::Rc};

use common::{
    Frontier, Job, Nature, Outcome,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
};
use evented::{Reactor, Task, TaskGroup};

use crate::io::{TaskResult, run_task};

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
        match plan.job.body.nature() {
            Nature::Files => Support::Hybrid { with: "files are read on the blocking pool".into() },
            _ => Support::Native,
        }
    }

    fn open(&self, _: &Config, _: &Plan) -> Result<Box<dyn Session>, LaneError> {
        let reactor =
            Reactor::new().map_err(|error| LaneError::failed("start the reactor", error))?;
        Ok(Box::new(OneSession { reactor }))
    }
}

/// A loop that is ready.
struct OneSession {
    /// The loop.
    reactor: Reactor,
}

impl Session for OneSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        let job = Rc::new(plan.job.clone());
        match plan.shape {
            Shape::Bag { tasks } => {
                Ok(self.reactor.block_on(bag(&job, tasks, plan.overlap.max(WINDOW))))
            }
            Shape::Graph => self.reactor.block_on(graph(&job)),
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
async fn graph(job: &Rc<Job>) -> Result<Outcome, LaneError> {
    let unsupported = || LaneError::Unsupported("this job is no graph".into());
    let mut frontier = Frontier::new(job).ok_or_else(unsupported)?;
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
