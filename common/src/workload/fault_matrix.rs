//! `fault.matrix`: one task goes wrong; what becomes of the others?

use crate::{
    Body, Fault, FaultKind, Job,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Workload, iterations};

/// The workload.
pub(super) static FAULT_MATRIX: FaultMatrix = FaultMatrix;

/// See the [module](self).
pub(super) struct FaultMatrix;

/// Tasks of each point.
const TASKS: u64 = 64;

/// The task that goes wrong.
const CULPRIT: u64 = 17;

/// Time of a healthy task, in nanoseconds.
const TASK_NS: f64 = 2e5;

/// How long a task may take where one hangs, in milliseconds.
const TASK_TIMEOUT_MS: u64 = 500;

impl Workload for FaultMatrix {
    fn id(&self) -> &'static str {
        "fault.matrix"
    }

    fn question(&self) -> &'static str {
        "what survives a panic, an abort, a segfault, an exit, a hang, a lack of memory?"
    }

    fn about(&self) -> &'static str {
        "Sixty-four short tasks, one of which goes wrong. Counted: how many of the others come \
         back, whether the culprit is named, whether the lane goes on working. This is like \
         running plug-ins or a native decoder on foreign input."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let iterations = iterations(TASK_NS, setting.ns_per_iteration);
        let point = |kind: FaultKind| {
            let body = Body::Fault(Fault { iterations, culprit: CULPRIT, kind });
            let job = Job { seed: SEED, body };
            let task_timeout_ms = (kind == FaultKind::Hang).then_some(TASK_TIMEOUT_MS);
            let plan =
                Plan { job, shape: Shape::Bag { tasks: TASKS }, overlap: 0, task_timeout_ms };
            Point::new(kind.name(), plan, format!("{TASKS} tasks, one goes wrong"))
        };
        Ok(FaultKind::ALL.map(point).into())
    }
}
