//! The lane at work.

use std::{sync::Arc, time::Duration};

use cluster::Cluster;
use common::{
    Fold, Frontier, Job, Outcome, Parcel, Parts, Tree,
    lane::{LaneError, Plan, Session, Shape},
};
use processes::{AsCompleted, JoinError, JoinHandle, Pool};

use crate::{
    tasks::{TaskResult, run_piece, run_task},
    transfer,
};

/// A pool that is ready.
pub(crate) struct NatsSession {
    /// The pool.
    pub(crate) pool: Pool,
    /// Its broker and nodes, if they were made for it.
    pub(crate) cluster: Option<Cluster>,
    /// What is handed over, where the plan does that.
    pub(crate) parcel: Option<Parcel>,
}

impl Session for NatsSession {
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
        let stopped = self.cluster.map_or(Ok(()), Cluster::stop);
        stopped.map_err(|why| LaneError::failed("end the cluster", why))
    }
}

impl NatsSession {
    /// Independent tasks, collected in order.
    fn bag(&self, plan: &Plan, tasks: u64) -> Outcome {
        let job = Arc::new(plan.job.clone());
        let mut outcome = self.outcome();
        let calls = (0..tasks).map(|index| (Arc::clone(&job), index));
        match plan.task_timeout() {
            // The nodes' pools have no limit of their own, and a map gives its items none.
            Some(limit) => {
                let calls: Vec<_> =
                    (0..tasks).map(|index| self.call(&job, index, Some(limit))).collect();
                for (index, call) in (0..).zip(calls) {
                    outcome.take(index, flatten(call.join()));
                }
            }
            None => {
                for (index, result) in (0..).zip(self.pool.map(run_task, calls)) {
                    outcome.take(index, flatten(result));
                }
            }
        }
        outcome
    }

    /// Tasks that become ready as others finish.
    fn graph(&self, plan: &Plan) -> Result<Outcome, LaneError> {
        let mut frontier = Frontier::new(&plan.job).ok_or_else(|| plan.misfit("graph"))?;
        let job = Arc::new(plan.job.clone());
        let (mut outcome, mut running) = (self.outcome(), AsCompleted::new());
        loop {
            while let Some(index) = frontier.next_ready() {
                running.push(index, self.call(&job, index, plan.task_timeout()));
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
        Ok(Outcome { digest: parts.fold(folds).digest(), ..self.outcome() })
    }

    /// Submits a task.
    fn call(&self, job: &Arc<Job>, index: u64, limit: Option<Duration>) -> JoinHandle<TaskResult> {
        let call = (Arc::clone(job), index);
        match limit {
            Some(limit) => self.pool.submit_timeout(run_task, call, limit),
            None => self.pool.submit(run_task, call),
        }
    }

    /// What nothing has come of so far.
    fn outcome(&self) -> Outcome {
        Outcome { units: self.pool.workers() as u64, ..Outcome::default() }
    }
}

/// One error, whether the task failed or the call did.
fn flatten<T>(result: Result<Result<T, String>, JoinError>) -> Result<T, String> {
    result.unwrap_or_else(|error| Err(error.to_string()))
}
