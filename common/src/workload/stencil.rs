//! `cpu.stencil`: loops over the rows of a grid, one after another.

use crate::{
    Body, Job, Stencil,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload};

/// The workload.
pub(super) static STENCIL: CpuStencil = CpuStencil;

/// See the [module](self).
pub(super) struct CpuStencil;

impl Workload for CpuStencil {
    fn id(&self) -> &'static str {
        "cpu.stencil"
    }

    fn question(&self) -> &'static str {
        "what does it cost to share a loop over memory out, step after step?"
    }

    fn about(&self) -> &'static str {
        "Every cell of a grid is computed anew from its neighbours, all rows of a step at the \
         same time, from one buffer into the other; a step begins when the one before has ended. \
         A large grid has long loops, a small one loops of microseconds. This is like simulating \
         heat or filtering an image."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let sizes: [(u32, u32, u32); 2] = match setting.tier {
            Tier::Smoke => [(64, 128, 10), (16, 64, 20)],
            Tier::Quick => [(1_024, 1_024, 400), (64, 512, 8_000)],
            Tier::Full => [(2_048, 2_048, 400), (64, 512, 40_000)],
        };
        let point = |(label, (rows, columns, steps)): (&str, (u32, u32, u32))| {
            let job = Job { seed: SEED, body: Body::Stencil(Stencil { rows, columns, steps }) };
            let plan = Plan { job, shape: Shape::Loops, overlap: 0, task_timeout_ms: None };
            Point::new(label, plan, format!("{steps} steps of {rows} rows of {columns} cells"))
        };
        Ok(["large", "small"].into_iter().zip(sizes).map(point).collect())
    }
}
