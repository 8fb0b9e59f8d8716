//! Every lane gives the right answers, and leaves nothing undone.

use common::{
    lane::{Config, Support},
    workload::{self, Point, Setting, Tier},
};

use super::LANES;

/// The workloads that lanes of peers run.
const WORKLOADS: [&str; 5] = ["cpu.tree", "cpu.stencil", "spawn.tree", "cpu.coarse", "cpu.fine"];

/// The points of these workloads.
fn points() -> Vec<Point> {
    let inputs = ::std::env::temp_dir();
    let setting = Setting { tier: Tier::Smoke, ns_per_iteration: 1.0, inputs, files: None };
    let of = |id: &&str| workload::find(id).expect("it exists").points(&setting);
    WORKLOADS.iter().flat_map(|id| of(id).expect("no input is needed")).collect()
}

#[test]
fn every_lane_gives_the_reference_answers_each_time() {
    for lane in LANES {
        let (name, mut ran) = (lane.info().name, 0);
        for point in points() {
            let plan = &point.plan;
            if let Support::No { why } = lane.support(plan) {
                assert!(why.contains(' '), "{name} says why: {why}");
                continue;
            }
            let expected = workload::reference(&point).expect("there is one");
            for workers in [1, 3] {
                let mut session = lane.open(&Config { workers }, plan).expect("it starts");
                for _ in 0..2 {
                    let outcome = session.run(plan).expect("it runs");
                    let found = (outcome.digest, outcome.failed.len());
                    assert_eq!(found, (expected, 0), "{name}, {workers} workers: {plan:?}");
                    assert!(outcome.units > 0, "{name}: {plan:?}");
                }
                session.close().expect("it ends");
            }
            ran += 1;
        }
        assert!(ran >= 9, "{name} ran {ran} points only");
    }
}

#[test]
fn the_manifest_announces_these_lanes() {
    let names = LANES.map(|lane| format!("\"{}\"", lane.info().name));
    let line = format!("lanes = [{}]", names.join(", "));
    assert!(include_str!("../Cargo.toml").contains(&line), "{line}");
}
