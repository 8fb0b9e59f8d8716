//! The lane `seq`: one task after another on the calling thread. It is the denominator of the other
//! Rust lanes.

use crate::{
    Fold, Frontier, Grid, Nature, Node, Outcome, Tree, Visit, body,
    lane::{Config, Lane, LaneError, LaneInfo, Offspring, Plan, Session, Shape, Support},
};

/// Longest time that waits may take one after another before the lane declines, in microseconds.
const LONGEST_WAITS_US: u64 = 2_000_000;

/// One task after another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Lane for Sequential {
    fn info(&self) -> LaneInfo {
        LaneInfo {
            name: "seq".into(),
            language: "rust".into(),
            what: "one task after another, no concurrency at all".into(),
        }
    }

    fn support(&self, plan: &Plan) -> Support {
        sequential_support(plan)
    }

    fn open(&self, _: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        Ok(Box::new(SequentialSession { grid: Grid::new(&plan.job) }))
    }
}

/// The calling thread, ready to run.
struct SequentialSession {
    /// The grid, where the plan has one.
    grid: Option<Grid>,
}

/// What a lane without concurrency can do: everything but waits that would take too long one after
/// another.
pub fn sequential_support(plan: &Plan) -> Support {
    if let (crate::Body::Wait(wait), Shape::Bag { tasks }) = (&plan.job.body, plan.shape) {
        let total_us = wait.wait_us.saturating_mul(tasks);
        if total_us > LONGEST_WAITS_US {
            let why = format!("one wait after another would take {:.0} s", total_us as f64 / 1e6);
            return Support::No { why };
        }
    }
    if plan.shape == Shape::Transfer {
        return Support::No { why: "there is nobody to hand anything to".into() };
    }
    if plan.job.body.nature() == Nature::Network {
        return Support::Ceiling { max: 1, why: "one request at a time".into() };
    }
    Support::Native
}

impl Session for SequentialSession {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        let mut outcome = Outcome { units: 1, ..Outcome::default() };
        match plan.shape {
            Shape::Bag { tasks } => {
                for index in 0..tasks {
                    outcome.take(index, body::run_blocking(&plan.job, index));
                }
            }
            Shape::Graph => graph(plan, &mut outcome)?,
            Shape::Tree => {
                let tree = Tree::shared(&plan.job).ok_or_else(|| plan.misfit("tree"))?;
                outcome.digest = fold(&tree, tree.root()).digest();
            }
            Shape::Spawn(offspring) => spawn(plan, offspring, 0, &mut outcome),
            Shape::Loops => {
                let grid = self.grid.as_mut().ok_or_else(|| plan.misfit("grid"))?;
                outcome.digest = grid.run(|before, after| before.fill(0, after));
            }
            Shape::Transfer => {
                return Err(LaneError::Unsupported("there is nobody else".into()));
            }
        }
        Ok(outcome)
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        Ok(())
    }
}

/// Tasks that become ready as others finish.
fn graph(plan: &Plan, outcome: &mut Outcome) -> Result<(), LaneError> {
    let mut frontier = Frontier::new(&plan.job).ok_or_else(|| plan.misfit("graph"))?;
    while let Some(index) = frontier.next_ready() {
        let output = body::run_blocking(&plan.job, index);
        if let Ok(output) = &output {
            frontier.finish(index, output);
        }
        outcome.take(index, output);
    }
    Ok(())
}

/// Folds the part of the tree below `node`, on the calling thread.
pub fn fold(tree: &Tree, node: Node) -> Fold {
    match tree.visit(node) {
        Visit::Leaf(fold) => fold,
        Visit::Inner { own, left, right } => {
            let (left, right) = (fold(tree, left), fold(tree, right));
            Fold::of(own, left, right)
        }
    }
}

/// Runs a task, then those it starts.
fn spawn(plan: &Plan, offspring: Offspring, index: u64, outcome: &mut Outcome) {
    outcome.take(index, body::run_blocking(&plan.job, index));
    for child in offspring.children(index) {
        spawn(plan, offspring, child, outcome);
    }
}
