//! `spawn.tree`: tasks that lead to other tasks.

use crate::{
    Body, Job, Spin, Spread, Wavefront,
    lane::{Offspring, Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload, iterations};

/// The workload.
pub(super) static SPAWN: SpawnTree = SpawnTree;

/// See the [module](self).
pub(super) struct SpawnTree;

/// How many tasks each task starts.
const FAN_OUT: u64 = 10;

/// Time of a task that starts others, in nanoseconds.
const SPAWN_NS: f64 = 200.0;

/// Time of a task that others depend on, in nanoseconds.
const DEPENDENCY_NS: f64 = 2e4;

impl Workload for SpawnTree {
    fn id(&self) -> &'static str {
        "spawn.tree"
    }

    fn question(&self) -> &'static str {
        "what does it cost when tasks lead to other tasks?"
    }

    fn about(&self) -> &'static str {
        "Tasks of which each starts ten others, down to the last level, and nobody waits before \
         the end: every task is really started, and counted (skynet, corrected). And a square of \
         tasks that each depend on two neighbours, where whoever coordinates hands out what has \
         become ready. This is like walking directories, or building programs."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (levels, side) = match setting.tier {
            Tier::Smoke => (3, 8),
            Tier::Quick => (5, 48),
            Tier::Full => (6, 96),
        };
        let plan = |body, shape| {
            let job = Job { seed: SEED, body };
            Plan { job, shape, overlap: 0, task_timeout_ms: None }
        };
        let steps = |ns| iterations(ns, setting.ns_per_iteration);
        // All levels together: 1 + 10 + 100 ...
        let tasks = (FAN_OUT.pow(levels + 1) - 1) / (FAN_OUT - 1);
        let spin = Spin { iterations: steps(SPAWN_NS), tasks, spread: Spread::Uniform };
        let offspring = Offspring { tasks, fan_out: FAN_OUT };
        let wavefront = Wavefront { side, iterations: steps(DEPENDENCY_NS) };
        Ok(vec![
            Point::new(
                "skynet",
                plan(Body::Spin(spin), Shape::Spawn(offspring)),
                format!("{tasks} tasks of {SPAWN_NS:.0} ns"),
            ),
            Point::new(
                "wavefront",
                plan(Body::Wavefront(wavefront), Shape::Graph),
                format!("{side} x {side} tasks of {:.0} us", DEPENDENCY_NS / 1e3),
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_is_started_once() {
        for (tasks, fan_out) in [(1, 10), (1_111, 10), (1_000, 3), (7, 1)] {
            let offspring = Offspring { tasks, fan_out };
            let mut started = vec![0; usize::try_from(tasks).unwrap()];
            started[0] = 1;
            for task in 0..tasks {
                for child in offspring.children(task) {
                    assert!(child > task);
                    started[usize::try_from(child).unwrap()] += 1;
                }
            }
            assert!(started.iter().all(|&times| times == 1), "{offspring:?}: {started:?}");
        }
    }
}
