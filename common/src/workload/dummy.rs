//! `dummy.*`: lane hosts that misbehave, to show that the harness notices each way of it.

use crate::{
    Body, Dummy, Job,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Workload};

/// The workloads.
pub(super) static DUMMIES: [Misbehaviour; 6] = [
    Misbehaviour { kind: Dummy::WrongDigest, id: "dummy.wrong-digest" },
    Misbehaviour { kind: Dummy::Panic, id: "dummy.panic" },
    Misbehaviour { kind: Dummy::Hang, id: "dummy.hang" },
    Misbehaviour { kind: Dummy::Crash, id: "dummy.crash" },
    Misbehaviour { kind: Dummy::Rubbish, id: "dummy.rubbish" },
    Misbehaviour { kind: Dummy::SetUp, id: "dummy.set-up" },
];

/// One way in which a lane host misbehaves.
pub(super) struct Misbehaviour {
    /// Which.
    kind: Dummy,
    /// The name of its workload.
    id: &'static str,
}

/// Tasks of each.
const TASKS: u64 = 8;

impl Workload for Misbehaviour {
    fn id(&self) -> &'static str {
        self.id
    }

    fn question(&self) -> &'static str {
        "does the harness notice a lane host that misbehaves?"
    }

    fn about(&self) -> &'static str {
        "Not a comparison: the lane host misbehaves on purpose, and the harness has to say so. \
         Runs only when named."
    }

    fn points(&self, _: &Setting) -> Result<Vec<Point>, PlanError> {
        let job = Job { seed: SEED, body: Body::Dummy(self.kind) };
        let plan =
            Plan { job, shape: Shape::Bag { tasks: TASKS }, overlap: 0, task_timeout_ms: None };
        Ok(vec![Point::new("", plan, format!("{TASKS} tasks"))])
    }
}
