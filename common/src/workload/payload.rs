//! `data.payload`: bytes are handed to another worker, which answers.

use crate::{
    Body, Handover, Job, Payload,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload};

/// The workload.
pub(super) static PAYLOAD: DataPayload = DataPayload;

/// See the [module](self).
pub(super) struct DataPayload;

/// The most that is handed over in a run, in bytes, where that is more than a few times.
const MOST_BYTES: u64 = 64 << 20;

impl Workload for DataPayload {
    fn id(&self) -> &'static str {
        "data.payload"
    }

    fn question(&self) -> &'static str {
        "what does it cost to hand data to another worker, by its size and by how that is done?"
    }

    fn about(&self) -> &'static str {
        "Bytes are handed to a worker, which reads all of them and answers with their checksum; \
         then the next. move: the owner changes, nothing is copied. clone: the worker gets a copy. \
         serde: they are encoded as a sequence of numbers and decoded. bytes: they travel as one \
         piece. shared-create: into memory that both see, new for each. shared-reuse: into the \
         same memory each time. arena: into memory that the pool keeps for that, and gives out \
         again. This is like handing images to a decoder."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (sizes, most): (&[u64], u64) = match setting.tier {
            Tier::Smoke => (&[64, 100_000], 8),
            Tier::Quick => (&[64, 64 << 10, 1 << 20], 2_000),
            Tier::Full => (&[64, 4 << 10, 64 << 10, 1 << 20, 16 << 20], 4_000),
        };
        let point = |mode: Handover, bytes: u64| {
            let transfers = (MOST_BYTES / bytes).clamp(8, most);
            let job = Job { seed: SEED, body: Body::Payload(Payload { mode, bytes, transfers }) };
            let plan = Plan { job, shape: Shape::Transfer, overlap: 0, task_timeout_ms: None };
            let label = format!("{} bytes={bytes}", mode.name());
            Point::new(label, plan, format!("{transfers} times {bytes} bytes"))
        };
        let modes = Handover::ALL.iter();
        Ok(modes.flat_map(|mode| sizes.iter().map(|bytes| point(*mode, *bytes))).collect())
    }
}
