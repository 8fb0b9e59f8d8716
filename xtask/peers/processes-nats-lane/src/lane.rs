//! The lane `processes@nats`: what it can run, and how it begins.

use common::{
    Body, Nature, Parcel, Tree,
    lane::{Config, Lane, LaneError, LaneInfo, Plan, Session, Shape, Support},
};

use crate::{place::Place, session::NatsSession, transfer};

/// Most workers that are started to wait: each is a whole process.
const MOST_WAITING: u64 = 64;

/// Longest time that waits may take at that number before the lane declines, in microseconds.
const LONGEST_WAITS_US: u64 = 2_000_000;

/// A pool whose workers are those of nodes.
pub(crate) struct NatsLane;

impl Lane for NatsLane {
    fn info(&self) -> LaneInfo {
        LaneInfo {
            name: "processes@nats".into(),
            language: "rust".into(),
            what: "processes::Pool through a NATS broker: two nodes on this machine, one worker a core in all"
                .into(),
        }
    }

    fn support(&self, plan: &Plan) -> Support {
        support(&Place::find(), plan)
    }

    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError> {
        let workers = match plan.job.body.nature() {
            Nature::Network | Nature::Wait => plan.overlap.min(MOST_WAITING),
            _ => config.workers as u64,
        };
        let workers = usize::try_from(workers).unwrap_or(config.workers).max(1);
        // Made before anything is measured, and kept for the runs.
        Tree::shared(&plan.job);
        let (pool, cluster) = Place::find().connect(workers)?;
        let parcel = Parcel::of(&plan.job);
        Ok(Box::new(NatsSession { pool, cluster, parcel }))
    }
}

/// How a pool with nodes in this place can run a plan.
pub(crate) fn support(place: &Place, plan: &Plan) -> Support {
    let no = |why: &str| Support::No { why: why.into() };
    let is_far = match place {
        Place::Nowhere(why) => return no(why),
        Place::There { is_far, .. } => *is_far,
        Place::Here => false,
    };
    match plan.shape {
        Shape::Spawn(_) => return no("a call cannot start calls in the pool that runs it"),
        Shape::Loops => return no("machines do not share the grid: each step would travel"),
        Shape::Transfer => {
            let mode = Parcel::of(&plan.job).map(|parcel| parcel.plan.mode);
            let Some(mode) = mode else { return no("this job is no payload") };
            if let Some(objection) = transfer::objection(mode) {
                return objection;
            }
        }
        Shape::Tree | Shape::Bag { .. } | Shape::Graph => {}
    }
    let needs_this_machine = matches!(plan.job.body.nature(), Nature::Files | Nature::Network);
    if is_far && needs_this_machine {
        return no("its files, or its web site, are on this machine; the nodes may not be");
    }
    waits(plan).unwrap_or_else(|| Support::Hybrid {
        with: match place {
            Place::There { url: _, is_far: _ } => "a NATS broker and the nodes of that cluster",
            Place::Here | Place::Nowhere(_) => "a NATS broker and two nodes, all on this machine",
        }
        .into(),
    })
}

/// What is to be said about waits that are more than workers; `None`: nothing.
fn waits(plan: &Plan) -> Option<Support> {
    let (Body::Wait(wait), Shape::Bag { tasks }) = (&plan.job.body, plan.shape) else {
        return None;
    };
    if plan.overlap <= MOST_WAITING {
        return None;
    }
    let total_us = wait.wait_us.saturating_mul(tasks.div_ceil(MOST_WAITING));
    Some(if total_us > LONGEST_WAITS_US {
        let seconds = total_us as f64 / 1e6;
        let why = format!("{MOST_WAITING} processes at a time would wait for {seconds:.0} s");
        Support::No { why }
    } else {
        let why = "every wait that overlaps takes a whole process".into();
        Support::Ceiling { max: MOST_WAITING, why }
    })
}
