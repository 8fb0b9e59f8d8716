//! Waits: a thread for each, as somebody who thinks in threads would write it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use common::{
    Outcome,
    lane::{LaneError, Plan},
};
use threads::JoinHandle;

use crate::pool::{RunTask, TaskResult};

/// How long a thread that could be started only later is waited for, before another attempt.
const RETRY: Duration = Duration::from_millis(1);

/// Runs every task on a thread of its own; where the system gives no more threads, as soon as it
/// does again.
pub(crate) fn run(task: RunTask, plan: &Plan, tasks: u64) -> Result<Outcome, LaneError> {
    let plan = Arc::new(plan.clone());
    let mut outcome = Outcome::default();
    let mut running = VecDeque::new();
    for index in 0..tasks {
        let handle = start(task, &plan, index, &mut running, &mut outcome)?;
        running.push_back((index, handle));
        outcome.units = outcome.units.max(running.len() as u64);
    }
    for (index, handle) in running {
        collect(&mut outcome, index, handle);
    }
    Ok(outcome)
}

/// The threads that run, with the index of their task.
type Running = VecDeque<(u64, JoinHandle<TaskResult>)>;

/// Starts a thread; while the system refuses, waits for one that runs.
fn start(
    task: RunTask,
    plan: &Arc<Plan>,
    index: u64,
    running: &mut Running,
    outcome: &mut Outcome,
) -> Result<JoinHandle<TaskResult>, LaneError> {
    loop {
        let plan = Arc::clone(plan);
        let refused = match threads::spawn(move |index| task(&plan.job, index), index) {
            Ok(handle) => return Ok(handle),
            Err(refused) => refused,
        };
        let Some((oldest, handle)) = running.pop_front() else {
            return Err(LaneError::failed("start a thread", refused));
        };
        match handle.join_timeout(RETRY) {
            Ok(result) => outcome.take(oldest, flatten(result)),
            Err(handle) => running.push_front((oldest, handle)),
        }
    }
}

/// Waits for a thread and takes its result.
fn collect(outcome: &mut Outcome, index: u64, handle: JoinHandle<TaskResult>) {
    outcome.take(index, flatten(handle.join()));
}

/// One error, whether the task failed or the thread did.
pub(crate) fn flatten(result: Result<TaskResult, threads::JoinError>) -> TaskResult {
    result.unwrap_or_else(|error| Err(error.to_string()))
}
