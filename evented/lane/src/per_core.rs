//! The lane `evented x threads`: a loop per core, the usual deployment of event loops.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use common::{
    Fold, Frontier, Job, Nature, Outcome, Parts, Tree,
    lane::{Config, Lane, LaneError, LaneInfo, Offspring, Plan, Session, Shape, Support},
    seq,
};
use evented::{Task, cores::Cores};

use crate::{
    family::family,
    io::{TaskResult, run_task},
};

/// A loop per core.
pub(crate) struct PerCore;

impl Lane for PerCore {
    fn info(&self) -> LaneInfo {
        LaneInfo {
            name: "evented x threads".into(),
            language: "rust".into(),
            what: "evented::cores::Cores: a reactor per core, each on a thread of its own".into(),
        }
    }

    fn support(&self, plan: &Plan) -> Support {
        if plan.shape == Shape::Loops {
            let why = "loops share nothing: each would have to be sent its rows in every step";
            return Support::No { why: why.into() };
        }
        if plan.shape == Shape::Transfer {
            let why = "between loops it is as between threads, and within one as in evented";
            return Support::No { why: why.into() };
        }
        match plan.job.body.nature() {
            Nature::Files => {
                Support::Hybrid { with: "threads, and files are read on blocking pools".into() }
            }
            _ => Support::Hybrid { with: "threads".into() },
        }
    }

    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let cores = Cores::builder().count(config.workers).build();
        let cores = cores.map_err(|error| LaneError::failed("start the loops", error))?;
        Ok(Box::new(PerCoreSession { cores }))
    }
}

/// Loops that are ready.
struct PerCoreSession {
    /// One per core.
    cores: Cores,
}

impl Session for PerCoreSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        match plan.shape {
            Shape::Bag { tasks } => self.bag(plan, tasks),
            Shape::Graph => self.graph(plan),
            Shape::Tree => self.tree(plan),
            Shape::Spawn(offspring) => self.spawn(plan, offspring),
            Shape::Loops | Shape::Transfer => {
                Err(LaneError::Unsupported("loops share nothing".into()))
            }
        }
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        // Nothing is served, so there is nobody to wait for.
        self.cores.shutdown(Duration::ZERO);
        Ok(())
    }
}

impl PerCoreSession {
    /// Independent tasks: each loop takes the next one whenever it has room.
    fn bag(&self, plan: &Plan, tasks: u64) -> Result<Outcome, LaneError> {
        let job = Arc::new(plan.job.clone());
        let next = Arc::new(AtomicU64::new(0));
        // Where waiting is the work, the waits are spread over the loops; computing runs one by
        // one.
        let window = plan.overlap.div_ceil(self.cores.len() as u64).max(1);
        let shares: Vec<_> = self
            .cores
            .handles()
            .map(|each| {
                let (job, next) = (Arc::clone(&job), Arc::clone(&next));
                each.spawn(move || share(job, next, tasks, window))
            })
            .collect();
        let mut outcome = Outcome::default();
        for share in shares {
            let share = share
                .join()
                .map_err(|error| LaneError::failed("run a share of the tasks", error))?;
            for (index, result) in share {
                outcome.take(index, result);
            }
        }
        outcome.units = (window * self.cores.len() as u64).min(tasks);
        Ok(outcome)
    }

    /// Tasks that become ready as others finish; this thread says which, the loops take turns.
    fn graph(&self, plan: &Plan) -> Result<Outcome, LaneError> {
        let mut frontier = Frontier::new(&plan.job).ok_or_else(|| plan.misfit("graph"))?;
        let job = Arc::new(plan.job.clone());
        let (send, receive) = mpsc::channel();
        let loops = self.cores.len() as u64;
        let mut outcome = Outcome { units: plan.overlap.max(loops), ..Outcome::default() };
        let (mut running, mut turn) = (0, 0);
        loop {
            while let Some(index) = frontier.next_ready() {
                let (job, send) = (Arc::clone(&job), send.clone());
                let run = move || async move {
                    // Nobody listens any more only if another task failed.
                    send.send((index, run_task(&job, index).await)).ok();
                };
                self.cores.handle(turn % self.cores.len()).spawn(run).detach();
                running += 1;
                turn += 1;
            }
            if running == 0 {
                return Ok(outcome);
            }
            let (index, result) =
                receive.recv().map_err(|error| LaneError::failed("hear of a task", error))?;
            running -= 1;
            if let Ok(output) = &result {
                frontier.finish(index, output);
            }
            outcome.take(index, result);
        }
    }

    /// A tree whose top is walked here; each loop takes the next piece whenever it is done with one.
    fn tree(&self, plan: &Plan) -> Result<Outcome, LaneError> {
        let tree = Tree::shared(&plan.job).ok_or_else(|| plan.misfit("tree"))?;
        let parts = Arc::new(Parts::of(&tree, self.cores.len() * Parts::PER_WORKER));
        let next = Arc::new(AtomicUsize::new(0));
        let shares: Vec<_> = self
            .cores
            .handles()
            .map(|each| {
                let (tree, parts, next) =
                    (Arc::clone(&tree), Arc::clone(&parts), Arc::clone(&next));
                each.spawn(move || async move { pieces(&tree, &parts, &next) })
            })
            .collect();
        let mut folds = vec![Fold::default(); parts.nodes.len()];
        for share in shares {
            let share = share.join().map_err(|error| LaneError::failed("fold a share", error))?;
            for (number, fold) in share {
                folds[number] = fold;
            }
        }
        let units = self.cores.len() as u64;
        Ok(Outcome { digest: parts.fold(folds).digest(), units, failed: Vec::new() })
    }

    /// Tasks that start others, on their own loop; the loops take turns with those that the first one
    /// starts.
    fn spawn(&self, plan: &Plan, offspring: Offspring) -> Result<Outcome, LaneError> {
        let job = plan.job.clone();
        let first = self.cores.handle(0).spawn(move || async move { run_task(&job, 0).await });
        let mut outcome = Outcome::default();
        let run = |error| LaneError::failed("run a task", error);
        outcome.take(0, first.join().map_err(run)?);
        let children = offspring.children(0).zip(self.cores.handles().cycle());
        let families: Vec<_> = children
            .map(|(child, each)| {
                let job = plan.job.clone();
                each.spawn(move || family(Rc::new(job), offspring, child))
            })
            .collect();
        for each in families {
            let more = each.join().map_err(run)?;
            outcome.digest.merge(more.digest);
            outcome.failed.extend(more.failed);
        }
        outcome.units = outcome.digest.count + outcome.failed.len() as u64;
        Ok(outcome)
    }
}

/// Folds one piece after another that nobody has taken.
fn pieces(tree: &Tree, parts: &Parts, next: &AtomicUsize) -> Vec<(usize, Fold)> {
    // Only the count matters: nothing is published with it.
    let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
    let taken = numbers.map_while(|number| Some((number, *parts.nodes.get(number)?)));
    taken.map(|(number, node)| (number, seq::fold(tree, node))).collect()
}

/// One loop's share: takes the next task while there is one, at most `window` at a time.
async fn share(
    job: Arc<Job>,
    next: Arc<AtomicU64>,
    tasks: u64,
    window: u64,
) -> Vec<(u64, TaskResult)> {
    let strands: Vec<Task<Vec<(u64, TaskResult)>>> = (0..window)
        .map(|_| evented::spawn(strand(Arc::clone(&job), Arc::clone(&next), tasks)))
        .collect();
    let mut results = Vec::new();
    for strand in strands {
        // A strand contains what its tasks do: only a loop that shuts down ends one early, and then
        // the missing results are noticed.
        results.extend(strand.await.unwrap_or_default());
    }
    results
}

/// One task after another.
async fn strand(job: Arc<Job>, next: Arc<AtomicU64>, tasks: u64) -> Vec<(u64, TaskResult)> {
    let mut results = Vec::new();
    loop {
        // Only the count matters: nothing is published with it.
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= tasks {
            return results;
        }
        let job = Arc::clone(&job);
        let task = evented::spawn(async move { run_task(&job, index).await });
        results.push((index, task.await.unwrap_or_else(|error| Err(error.to_string()))));
    }
}
