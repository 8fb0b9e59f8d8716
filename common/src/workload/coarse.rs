//! `cpu.coarse`: computing in tasks long enough that starting them costs nothing.

use crate::{
    Body, Job, Spin, Spread,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload, iterations};

/// The workload.
pub(super) static COARSE: Coarse = Coarse;

/// See the [module](self).
pub(super) struct Coarse;

impl Workload for Coarse {
    fn id(&self) -> &'static str {
        "cpu.coarse"
    }

    fn question(&self) -> &'static str {
        "how much does computing gain from more workers?"
    }

    fn about(&self) -> &'static str {
        "Independent computations of about two milliseconds: alike, skewed, or with one \
         straggler sixteen times as long. This is like rendering tiles or checking passwords."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (tasks, task_ns): (u64, f64) = match setting.tier {
            Tier::Smoke => (16, 2e5),
            Tier::Quick => (48, 2e6),
            Tier::Full => (256, 2e6),
        };
        let spreads: &[(Spread, &str)] = match setting.tier {
            Tier::Quick => &[(Spread::Uniform, "uniform"), (Spread::Skewed, "skewed")],
            _ => &[
                (Spread::Uniform, "uniform"),
                (Spread::Skewed, "skewed"),
                (Spread::Straggler, "straggler"),
            ],
        };
        let iterations = iterations(task_ns, setting.ns_per_iteration);
        let point = |&(spread, label): &(Spread, &str)| {
            let body = Body::Spin(Spin { iterations, tasks, spread });
            let job = Job { seed: SEED, body };
            let plan = Plan { job, shape: Shape::Bag { tasks }, overlap: 0, task_timeout_ms: None };
            Point::new(label, plan, format!("{tasks} tasks of {:.1} ms", task_ns / 1e6))
        };
        Ok(spreads.iter().map(point).collect())
    }
}
