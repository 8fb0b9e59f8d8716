//! `io.wait`: waits that overlap.

use crate::{
    Body, Job, Wait,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload};

/// The workload.
pub(super) static WAITS: Waits = Waits;

/// See the [module](self).
pub(super) struct Waits;

impl Workload for Waits {
    fn id(&self) -> &'static str {
        "io.wait"
    }

    fn question(&self) -> &'static str {
        "what do 10,000 waits at the same time cost?"
    }

    fn about(&self) -> &'static str {
        "Tasks that wait once for the same time, all of them meant to overlap: the ideal time \
         is that of one wait. Memory per wait is the slope over the points. This is like a \
         proxy or a chat server whose clients are mostly silent."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (wait_us, counts): (u64, &[u64]) = match setting.tier {
            Tier::Smoke => (2_000, &[10, 200]),
            Tier::Quick => (50_000, &[10, 10_000]),
            Tier::Full => (50_000, &[10, 100, 1_000, 3_000, 10_000]),
        };
        let point = |&tasks: &u64| {
            let job = Job { seed: SEED, body: Body::Wait(Wait { wait_us }) };
            let plan =
                Plan { job, shape: Shape::Bag { tasks }, overlap: tasks, task_timeout_ms: None };
            Point::new(
                format!("waits={tasks}"),
                plan,
                format!("{tasks} waits of {} ms", wait_us / 1_000),
            )
        };
        Ok(counts.iter().map(point).collect())
    }
}
