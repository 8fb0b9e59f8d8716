//! How the host talks: greetings, refusals, wrong requests, streams that end.

use std::fs;

use common::{
    AccessLog, Body, Crawl, Dummy, FaultKind, Job, LogAnswer, Wait,
    lane::{Plan, Shape, Support},
    protocol::{Reply, Request, VERSION},
};

use super::{
    LANES, bag, fault, open,
    process::{self, Host},
    support,
};

#[test]
fn says_who_it_is() {
    let Some((host, hello)) = Host::start() else { return };
    let Reply::Hello { version, host: name, runtime, lanes } = hello else { panic!("{hello:?}") };
    assert_eq!((version, name.as_str()), (VERSION, "python"));
    assert!(runtime.contains(' ') && runtime.ends_with("GIL"), "{runtime}");
    assert!(lanes.iter().all(|lane| lane.language == "python" && !lane.what.is_empty()));
    assert_eq!(lanes.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), LANES);
    host.leave();
}

#[test]
fn says_what_it_cannot_do() {
    let mut host = host!();
    let waits = |tasks| {
        let job = Job { seed: 0, body: Body::Wait(Wait { wait_us: 50_000 }) };
        Plan { job, shape: Shape::Bag { tasks }, overlap: tasks, task_timeout_ms: None }
    };
    let mut kinds = |plan: &Plan| LANES.map(|lane| kind_of(&support(&mut host, lane, plan)));
    assert_eq!(kinds(&waits(10)), ["native"; 4]);
    assert_eq!(kinds(&waits(200)), ["no", "native", "ceiling", "native"]);
    assert_eq!(kinds(&waits(20_000)), ["no", "ceiling", "no", "native"]);
    let log = AccessLog { log: "log".into(), piece_bytes: 1, answer: LogAnswer::Records };
    assert_eq!(kinds(&bag(Body::AccessLog(log))), ["native", "native", "native", "hybrid"]);
    let crawl = Crawl { upstream: ([127, 0, 0, 1], 1).into(), hosts: 1, per_host: 1 };
    let crawl = Plan { shape: Shape::Graph, ..bag(Body::Crawl(crawl)) };
    assert_eq!(kinds(&crawl), ["ceiling", "native", "native", "native"]);
    host.leave();
}

#[test]
fn wrong_requests_get_an_error() {
    let mut host = host!();
    let plan = bag(Body::Dummy(Dummy::Rubbish));
    let is_error = |reply: &Reply| matches!(reply, Reply::Error { why } if !why.is_empty());
    let reply = host.ask(&Request::Support { lane: "py-none".into(), plan: plan.clone() });
    assert!(is_error(&reply), "{reply:?}");
    for request in [Request::Close, Request::Run { plan: fault(FaultKind::Panic) }] {
        let reply = host.ask(&request);
        assert!(is_error(&reply), "{reply:?}");
    }
    let no_graph = Plan { shape: Shape::Graph, ..fault(FaultKind::Panic) };
    for lane in LANES {
        open(&mut host, lane, &no_graph);
        let reply = host.ask(&Request::Run { plan: no_graph.clone() });
        assert!(is_error(&reply), "{lane}: {reply:?}");
        let reply = host.ask(&Request::Close);
        assert!(is_error(&reply), "the session is gone, but {lane}: {reply:?}");
    }
    host.leave();
}

#[test]
fn a_newer_harness_is_understood() {
    let mut host = host!();
    host.send_line(
        r#"{"t":"support","lane":"py-seq","new":1,"plan":{"job":{"seed":1,"body":{"dance":{}}},
        "shape":"graph","overlap":0,"task_timeout_ms":null,"newer":[]}}"#
            .replace('\n', "")
            .as_str(),
    );
    let Reply::Support { support: Support::No { why } } = host.reply() else { panic!("not a no") };
    assert!(why.contains("dance"), "{why}");
    host.send_line("rubbish");
    assert_eq!(host.ended().code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_stray_print_goes_to_standard_error() {
    let host = host!();
    let id = host.id().as_raw_nonzero();
    let target = |descriptor: u32| fs::read_link(format!("/proc/{id}/fd/{descriptor}")).unwrap();
    assert_eq!(target(1), target(2));
    host.leave();
}

#[test]
fn the_end_of_the_input_ends_the_host() {
    let mut host = host!();
    open(&mut host, "py-mp", &fault(FaultKind::Panic));
    host.hang_up();
    assert!(host.ended().success());
}

#[test]
fn by_hand_it_lists_its_lanes() {
    let Some(mut command) = process::python() else { return };
    let list = command.arg("--list").output().unwrap();
    assert!(list.status.success());
    let text = String::from_utf8(list.stdout).unwrap();
    assert!(LANES.iter().zip(text.lines()).all(|(lane, line)| line.starts_with(lane)), "{text}");
    let usage = process::python().unwrap().output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8(usage.stderr).unwrap().contains("--list"));
}

/// The kind of support, as in messages.
fn kind_of(support: &Support) -> &'static str {
    match support {
        Support::Native => "native",
        Support::Hybrid { .. } => "hybrid",
        Support::Ceiling { .. } => "ceiling",
        Support::No { .. } => "no",
    }
}
