//! `real.access-log`: a regular expression over every line of a web server's log.

use crate::{
    AccessLog, Body, Job, LogAnswer, input,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload, inputs_folder};

/// The workload.
pub(super) static ACCESS_LOG: Log = Log;

/// See the [module](self).
pub(super) struct Log;

impl Workload for Log {
    fn id(&self) -> &'static str {
        "real.access-log"
    }

    fn question(&self) -> &'static str {
        "what does it cost to send results back?"
    }

    fn about(&self) -> &'static str {
        "A generated access log, cut into pieces; a regular expression takes each line apart. \
         Once a few numbers per piece come back, once a record for every line. This is like a \
         report, or an import into a database."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (megabytes, pieces) = match setting.tier {
            Tier::Smoke => (1, 8),
            Tier::Quick => (16, 64),
            Tier::Full => (64, 256),
        };
        let log = inputs_folder(setting)?.join(format!("access-{megabytes}mb-{SEED:016x}.log"));
        let length =
            input::access_log::ensure(&log, SEED, megabytes << 20).map_err(PlanError::io(&log))?;
        let piece_bytes = length.div_ceil(pieces);
        let point = |answer, label| {
            let body = Body::AccessLog(AccessLog { log: log.clone(), piece_bytes, answer });
            let job = Job { seed: SEED, body };
            let plan = Plan {
                job,
                shape: Shape::Bag { tasks: pieces },
                overlap: 0,
                task_timeout_ms: None,
            };
            Point::new(label, plan, format!("{megabytes} MiB log in {pieces} pieces"))
        };
        Ok(vec![
            point(LogAnswer::Aggregates, "returns=aggregates"),
            point(LogAnswer::Records, "returns=records"),
        ])
    }
}
