//! The lane over `threads::Pool`.

use std::{mem, sync::Arc, time::Instant};

use common::{
    Digest, Frontier, Grid, Job, Nature, Outcome, Output, Parcel, Tree,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
};
use threads::{AsCompleted, JoinHandle, Pool};

use crate::{
    fork, transfer,
    waits::{self, flatten},
};

/// What a task gives back.
pub(crate) type TaskResult = Result<Output, String>;

/// How a task is run on the thread it got.
pub(crate) type RunTask = fn(&Job, u64) -> TaskResult;

/// A pool of threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLane {
    /// Its name.
    pub(crate) name: &'static str,
    /// What runs where.
    pub(crate) what: &'static str,
    /// How a task is run.
    pub(crate) run: RunTask,
    /// The most waits that say anything about this lane.
    pub(crate) most_waits: u64,
    /// Whether one lock lets only one task at a time run.
    pub(crate) locked: bool,
}

impl Lane for PoolLane {
    fn info(&self) -> LaneInfo {
        LaneInfo { name: self.name.into(), language: "rust".into(), what: self.what.into() }
    }

    fn support(&self, plan: &Plan) -> Support {
        if plan.job.body.nature() == Nature::Wait && plan.overlap > self.most_waits {
            let why = "the lock is given up to wait: so many waits are those of threads".into();
            return Support::No { why };
        }
        if self.locked && matches!(plan.shape, Shape::Tree | Shape::Loops) {
            let why = "what forks under one lock runs one part after another: see seq".into();
            return Support::No { why };
        }
        match Parcel::of(&plan.job) {
            Some(_) if self.locked => {
                Support::No { why: "what is handed over is the same as in threads".into() }
            }
            Some(parcel) => transfer::support(parcel.plan.mode),
            None => Support::Native,
        }
    }

    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        // Waits do not use the pool, tasks that wait for the network need a worker each.
        let workers = match plan.job.body.nature() {
            Nature::Network => usize::try_from(plan.overlap).unwrap_or(config.workers),
            _ => config.workers,
        };
        let pool = Pool::builder().workers(workers.max(1)).name(self.name).build();
        let pool = pool.map_err(|error| LaneError::failed("start the pool", error))?;
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let grid = Grid::new(&plan.job);
        let parcel = Parcel::of(&plan.job);
        Ok(Box::new(PoolSession { run: self.run, pool, grid, parcel, stuck: 0 }))
    }
}

/// A pool that is ready.
struct PoolSession {
    /// How a task is run.
    run: RunTask,
    /// The pool.
    pool: Pool,
    /// The grid, where the plan has one.
    grid: Option<Grid>,
    /// What is handed over, where the plan does that.
    parcel: Option<Parcel>,
    /// Workers that hang in a task and will never come back.
    stuck: usize,
}

impl Session for PoolSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        match (plan.shape, plan.job.body.nature()) {
            (Shape::Graph, _) => self.graph(plan),
            (Shape::Tree, _) => Ok(self.outcome(fork::tree(&self.pool, plan)?)),
            (Shape::Spawn(offspring), _) => Ok(fork::spawn(&self.pool, self.run, plan, offspring)),
            (Shape::Loops, _) => {
                let grid = self.grid.as_mut().ok_or_else(|| plan.misfit("grid"))?;
                let digest = fork::loops(&self.pool, grid);
                Ok(self.outcome(digest))
            }
            (Shape::Transfer, _) => {
                let parcel = self.parcel.as_mut().ok_or_else(|| plan.misfit("payload"))?;
                transfer::run(&self.pool, parcel)
            }
            (Shape::Bag { tasks }, Nature::Wait) => waits::run(self.run, plan, tasks),
            (Shape::Bag { tasks }, _) if plan.task_timeout_ms.is_some() => {
                Ok(self.timed_bag(plan, tasks))
            }
            (Shape::Bag { tasks }, _) => Ok(self.bag(plan, tasks)),
        }
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        if self.stuck > 0 {
            // Joining a worker that hangs would hang too; the process is about to end.
            let stuck = self.stuck;
            mem::forget(self);
            return Err(LaneError::Failed(format!("{stuck} workers hang and cannot be joined")));
        }
        self.pool.shutdown();
        Ok(())
    }
}

impl PoolSession {
    /// What came of all workers together.
    fn outcome(&self, digest: Digest) -> Outcome {
        Outcome { digest, units: self.pool.workers() as u64, failed: Vec::new() }
    }

    /// Independent tasks, collected in order.
    fn bag(&self, plan: &Plan, tasks: u64) -> Outcome {
        let (run, job) = (self.run, Arc::new(plan.job.clone()));
        let mut outcome = Outcome { units: self.pool.workers() as u64, ..Outcome::default() };
        let results = self.pool.map(move |index| run(&job, index), 0..tasks);
        for (index, result) in (0..).zip(results) {
            outcome.take(index, flatten(result));
        }
        outcome
    }

    /// Independent tasks of which some may never end: those that have not when the time is over
    /// count as failed. Their threads cannot be ended.
    fn timed_bag(&mut self, plan: &Plan, tasks: u64) -> Outcome {
        let deadline = Instant::now() + plan.task_timeout().unwrap_or_default();
        let job = Arc::new(plan.job.clone());
        let handles: Vec<_> = (0..tasks).map(|index| self.submit(&job, index)).collect();
        let mut outcome = Outcome { units: self.pool.workers() as u64, ..Outcome::default() };
        for (index, handle) in (0..).zip(handles) {
            let left = deadline.saturating_duration_since(Instant::now());
            match handle.join_timeout(left) {
                Ok(result) => outcome.take(index, flatten(result)),
                Err(handle) if handle.cancel() => outcome.take(index, Err("it never got a worker")),
                Err(_) => {
                    self.stuck += 1;
                    outcome.take(index, Err("it did not end in time"));
                }
            }
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
                running.push(index, self.submit(&job, index));
            }
            let Some((index, result)) = running.next() else { return Ok(outcome) };
            let result = flatten(result);
            if let Ok(output) = &result {
                frontier.finish(index, output);
            }
            outcome.take(index, result);
        }
    }

    /// Hands a task to the pool.
    fn submit(&self, job: &Arc<Job>, index: u64) -> JoinHandle<TaskResult> {
        let (run, job) = (self.run, Arc::clone(job));
        self.pool.submit(move |index| run(&job, index), index)
    }
}
