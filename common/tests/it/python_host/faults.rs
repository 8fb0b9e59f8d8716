//! What becomes of a task, and of a host, that goes wrong.

use std::{os::unix::process::ExitStatusExt as _, time::Duration};

use common::{
    Body, Dummy, FaultKind, Outcome,
    lane::{Config, Plan},
    protocol::{Reply, Request},
    workload,
};

use super::{
    CULPRIT, LANES, TASKS, WORKERS, bag, close_clean, fault, open, point_of,
    process::{self, Heard, Host},
    run,
};

/// How long a host that must not answer is listened to.
const LISTEN: Duration = Duration::from_millis(500);

#[test]
fn a_raised_error_costs_one_task() {
    let mut host = host!();
    for lane in LANES {
        let outcome = run_fault(&mut host, lane, FaultKind::Panic, None);
        assert!(outcome.failed[0].why.contains("as it was told to"), "{outcome:?}");
        close_clean(&mut host);
    }
    host.leave();
}

#[test]
fn a_hung_task_is_named_where_it_can_be() {
    let mut host = host!();
    for lane in ["py-threads", "py-mp"] {
        run_fault(&mut host, lane, FaultKind::Hang, Some(300));
        let Reply::Closed { left } = host.ask(&Request::Close) else { panic!("not closed") };
        // A thread cannot be stopped from outside, a process can.
        assert_eq!(left.is_clean(), lane == "py-mp", "{left:?}");
        assert!(left.threads.is_none_or(|threads| threads == i64::from(lane == "py-threads")));
    }
    host.leave();
}

/// Runs a fault that the others have to survive; all but the culprit have to come back.
fn run_fault(host: &mut Host, lane: &str, kind: FaultKind, timeout_ms: Option<u64>) -> Outcome {
    let plan = Plan { task_timeout_ms: timeout_ms, ..fault(kind) };
    open(host, lane, &plan);
    let outcome = run(host, &plan);
    let expected = workload::reference(&point_of(plan)).unwrap();
    assert_eq!(outcome.digest, expected, "{lane}: {outcome:?}");
    let failed: Vec<u64> = outcome.failed.iter().map(|failed| failed.task).collect();
    assert_eq!((outcome.digest.count, &failed[..]), (TASKS - 1, &[CULPRIT][..]), "{lane}");
    outcome
}

/// `multiprocessing.Pool` loses the task of a dead worker and waits for it for ever: there is no
/// answer, and the whole group can be killed.
#[cfg(target_os = "linux")]
#[test]
fn a_dead_worker_of_a_pool_is_waited_for_in_vain() {
    for kind in [FaultKind::Exit, FaultKind::Abort, FaultKind::Segfault] {
        let mut host = host!();
        let plan = fault(kind);
        open(&mut host, "py-mp", &plan);
        let group = host.id();
        let before = process::members_of(group);
        assert!(before.len() > WORKERS, "{before:?}");
        host.send(&Request::Run { plan });
        process::wait_until("a worker dies", || {
            let now = process::members_of(group);
            before.iter().any(|process| !now.contains(process))
        });
        assert_eq!(host.listen(LISTEN), Heard::Silence, "{kind:?}");
    }
}

#[test]
fn a_task_that_ends_the_process_ends_a_host_without_processes() {
    for lane in ["py-seq", "py-threads", "py-asyncio"] {
        let mut ended = Vec::new();
        for kind in [FaultKind::Exit, FaultKind::Abort, FaultKind::Segfault] {
            let mut host = host!();
            let plan = fault(kind);
            open(&mut host, lane, &plan);
            host.send(&Request::Run { plan });
            let status = host.ended();
            ended.push((status.code(), status.signal()));
        }
        // SIGABRT and SIGSEGV have these numbers on all platforms.
        assert_eq!(ended, [(Some(3), None), (None, Some(6)), (None, Some(11))], "{lane}");
    }
}

#[test]
fn dummies_misbehave_as_told() {
    for dummy in Dummy::ALL.map(|(dummy, _)| dummy) {
        let mut host = host!();
        let plan = bag(Body::Dummy(dummy));
        let lane = "py-threads".to_owned();
        let config = Config { workers: WORKERS };
        let opened = host.ask(&Request::Open { lane, config, plan: plan.clone() });
        if dummy == Dummy::SetUp {
            assert!(matches!(opened, Reply::Error { .. }), "{opened:?}");
            continue;
        }
        assert_eq!(opened, Reply::Opened);
        host.send(&Request::Run { plan: plan.clone() });
        match dummy {
            Dummy::WrongDigest => {
                let Reply::Outcome { outcome, .. } = host.reply() else { panic!("no outcome") };
                assert_eq!(outcome.digest.count, TASKS);
                let right = workload::reference(&point_of(plan)).unwrap();
                assert_ne!(outcome.digest, right);
            }
            Dummy::Panic => assert_eq!(host.ended().code(), Some(1)),
            Dummy::Crash => assert_eq!(host.ended().signal(), Some(6)),
            Dummy::Hang => assert_eq!(host.listen(LISTEN), Heard::Silence),
            Dummy::Rubbish => {
                let Heard::Line(rubbish) = host.listen(process::PATIENCE) else {
                    panic!("no line")
                };
                assert!(serde_json::from_str::<Reply>(&rubbish).is_err(), "{rubbish}");
                assert!(matches!(host.reply(), Reply::Outcome { .. }));
            }
            Dummy::SetUp => unreachable!("it was not opened"),
        }
    }
}
