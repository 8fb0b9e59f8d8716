//! `cpu.fine`: how small may a task be before the lane costs more than the work?

use crate::{
    Body, Job, Spin, Spread,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload, iterations};

/// The workload.
pub(super) static FINE: Fine = Fine;

/// See the [module](self).
pub(super) struct Fine;

/// Most tasks of a point: the finest grains do less work in all rather than take minutes in slow
/// lanes.
const MOST_TASKS: u64 = 20_000;

impl Workload for Fine {
    fn id(&self) -> &'static str {
        "cpu.fine"
    }

    fn question(&self) -> &'static str {
        "how small may a task be?"
    }

    fn about(&self) -> &'static str {
        "Independent tasks from a microsecond to three milliseconds, each handed over and \
         collected by itself. Efficiency is the sequential time over workers times time; \
         METG(50) is the smallest task at which half of the machine still does the work \
         (Slaughter et al., Task Bench, SC 2020)."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (total_ns, grains): (u64, &[u64]) = match setting.tier {
            Tier::Smoke => (2_000_000, &[1_000, 100_000]),
            Tier::Quick => (60_000_000, &[1_000, 10_000, 100_000, 1_000_000]),
            Tier::Full => (
                200_000_000,
                &[1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000],
            ),
        };
        let point = |&grain_ns: &u64| {
            let tasks = (total_ns / grain_ns).min(MOST_TASKS);
            let iterations = iterations(grain_ns as f64, setting.ns_per_iteration);
            let body = Body::Spin(Spin { iterations, tasks, spread: Spread::Uniform });
            let job = Job { seed: SEED, body };
            let plan = Plan { job, shape: Shape::Bag { tasks }, overlap: 0, task_timeout_ms: None };
            let grain_us = grain_ns / 1_000;
            let mut point = Point::new(
                format!("grain={grain_us}us"),
                plan,
                format!("{tasks} tasks of {grain_us} us"),
            );
            point.grain_ns = Some(grain_ns);
            point
        };
        Ok(grains.iter().map(point).collect())
    }
}
