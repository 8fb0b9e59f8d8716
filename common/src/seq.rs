//! The lane `seq`: one task after another on the calling thread. It is the denominator of the other
//! Rust lanes.

use crate::{
    Nature, Outcome, body,
    frontier::Frontier,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
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

    fn open(&self, _: &Config, _: &Plan) -> Result<Box<dyn Session>, LaneError> {
        Ok(Box::new(Self))
    }
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
    if plan.job.body.nature() == Nature::Network {
        return Support::Ceiling { max: 1, why: "one request at a time".into() };
    }
    Support::Native
}

impl Session for Sequential {
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError> {
        let mut outcome = Outcome { units: 1, ..Outcome::default() };
        match plan.shape {
            Shape::Bag { tasks } => {
                for index in 0..tasks {
                    outcome.take(index, body::run_blocking(&plan.job, index));
                }
            }
            Shape::Graph => {
                let frontier = Frontier::new(&plan.job);
                let mut frontier = frontier
                    .ok_or_else(|| LaneError::Unsupported("this job is no graph".into()))?;
                while let Some(index) = frontier.next_ready() {
                    let output = body::run_blocking(&plan.job, index);
                    if let Ok(output) = &output {
                        frontier.finish(index, output);
                    }
                    outcome.take(index, output);
                }
            }
        }
        Ok(outcome)
    }

    fn close(self: Box<Self>) -> Result<(), LaneError> {
        Ok(())
    }
}
