//! What the lane says about plans. That it runs them rightly is found out by `cargo xtask compare`, for
//! which it is a program that can be started as a node.

use common::{
    lane::{Plan, Support},
    workload::{self, Setting, Tier},
};

use crate::{LANES, lane::support, place::Place};

/// The plans of a workload.
fn plans(id: &str) -> Vec<Plan> {
    let inputs = std::env::temp_dir();
    let setting = Setting { tier: Tier::Smoke, ns_per_iteration: 1.0, inputs, files: None };
    let points = workload::find(id).expect("it exists").points(&setting).expect("it has points");
    points.into_iter().map(|point| point.plan).collect()
}

/// How many plans of a workload it runs, and how many not, with what it says to those.
fn told(place: &Place, id: &str) -> (usize, Vec<String>) {
    let mut no = Vec::new();
    let plans = plans(id);
    for plan in &plans {
        if let Support::No { why } = support(place, plan) {
            no.push(why);
        }
    }
    (plans.len() - no.len(), no)
}

#[test]
fn what_shares_nothing_runs_and_is_no_model_alone() {
    for id in ["cpu.coarse", "cpu.fine", "cpu.tree", "fault.matrix"] {
        for plan in plans(id) {
            let Support::Hybrid { with } = support(&Place::Here, &plan) else { panic!("{id}") };
            assert!(with.contains("broker") && with.contains("this machine"), "{with}");
        }
    }
}

#[test]
fn what_needs_shared_memory_is_declined_with_a_reason() {
    let (runs, no) = told(&Place::Here, "data.payload");
    assert!(runs > 0 && no.iter().any(|why| why.contains("do not share memory")), "{no:?}");
    assert_eq!(told(&Place::Here, "cpu.stencil").0, 0);
}

#[test]
fn what_is_on_this_machine_does_not_go_to_another() {
    let there = |url: &str| Place::at(url.into());
    for id in ["real.crawl", "io.wait", "cpu.coarse"] {
        let (near, _) = told(&there("nats://127.0.0.1:4222"), id);
        let (far, no) = told(&there("tls://a.example:4222"), id);
        assert!(near > 0, "{id}");
        assert_eq!(far == 0, id == "real.crawl", "{id}: {no:?}");
    }
}

#[test]
fn where_there_is_no_broker_the_hint_is_the_reason() {
    let place = Place::Nowhere(cluster::HINT);
    let (runs, no) = told(&place, "cpu.coarse");
    assert_eq!(runs, 0);
    assert!(no.iter().all(|why| why.contains("apt-get install nats-server")), "{no:?}");
}

#[test]
fn the_manifest_announces_these_lanes() {
    let names = LANES.map(|lane| format!("\"{}\"", lane.info().name));
    let line = format!("lanes = [{}]", names.join(", "));
    assert!(include_str!("../Cargo.toml").contains(&line), "{line}");
}
