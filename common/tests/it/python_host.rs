//! The Python lane host against the Rust reference: same protocol, same work, same digests.

/// Starts a host, or returns from the test when there is no Python.
macro_rules! host {
    () => {
        match Host::start() {
            Some((host, _)) => host,
            None => return,
        }
    };
}

mod answers;
mod faults;
mod process;
mod stub;
mod talk;

use common::{
    Body, Fault, FaultKind, Job, Outcome,
    lane::{Config, Plan, Shape, Support},
    protocol::{Reply, Request},
    workload::{self, Cache, Point},
};

use process::Host;

/// The lanes.
const LANES: [&str; 4] = ["py-seq", "py-threads", "py-mp", "py-asyncio"];

/// Workers in every session: enough for one of them to go missing.
const WORKERS: usize = 2;

/// Tasks of a fault plan.
const TASKS: u64 = 64;

/// The task that goes wrong.
const CULPRIT: u64 = 17;

/// A bag of this body.
fn bag(body: Body) -> Plan {
    let job = Job { seed: workload::SEED, body };
    Plan { job, shape: Shape::Bag { tasks: TASKS }, overlap: 0, task_timeout_ms: None }
}

/// A bag in which one task goes wrong.
fn fault(kind: FaultKind) -> Plan {
    bag(Body::Fault(Fault { iterations: 100, culprit: CULPRIT, kind }))
}

/// A point of this plan, for its reference answer.
fn point_of(plan: Plan) -> Point {
    let (label, size) = (String::new(), String::new());
    Point { label, plan, site: None, cache: Cache::AsItIs, size, grain_ns: None }
}

/// How a lane can run a plan.
fn support(host: &mut Host, lane: &str, plan: &Plan) -> Support {
    let reply = host.ask(&Request::Support { lane: lane.to_owned(), plan: plan.clone() });
    let Reply::Support { support } = reply else { panic!("{lane}: {reply:?}") };
    support
}

/// Opens a session.
fn open(host: &mut Host, lane: &str, plan: &Plan) {
    let config = Config { workers: WORKERS };
    let reply = host.ask(&Request::Open { lane: lane.to_owned(), config, plan: plan.clone() });
    assert_eq!(reply, Reply::Opened, "{lane}");
}

/// Runs a plan.
fn run(host: &mut Host, plan: &Plan) -> Outcome {
    let reply = host.ask(&Request::Run { plan: plan.clone() });
    let Reply::Outcome { wall_ns, outcome } = reply else { panic!("{reply:?}") };
    assert!(wall_ns > 0);
    outcome
}

/// Closes the session; nothing may be left of it.
fn close_clean(host: &mut Host) {
    let reply = host.ask(&Request::Close);
    let Reply::Closed { left } = reply else { panic!("{reply:?}") };
    assert!(left.is_clean(), "{left:?}");
}
