//! The lane `evented+offload`: one loop that hands every task to its blocking pool.

use std::{collections::VecDeque, mem, sync::Arc};

use common::{
    Job, Nature, Outcome,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
};
use evented::{Reactor, Task};

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
        match plan.job.body.nature() {
            Nature::Wait | Nature::Network => Support::No {
                why: "to offload what waits is a thread for each wait: see threads".into(),
            },
            _ => Support::Hybrid { with: "offload pool".into() },
        }
    }

    fn open(&self, config: &Config, _: &Plan) -> Result<Box<dyn Session>, LaneError> {
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
        let Shape::Bag { tasks } = plan.shape else {
            return Err(LaneError::Unsupported(
                "a graph of tasks that wait is not offloaded".into(),
            ));
        };
        let (outcome, stuck) = self.reactor.block_on(bag(plan, tasks, self.workers));
        self.stuck += stuck;
        Ok(outcome)
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
