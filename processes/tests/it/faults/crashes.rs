//! Calls that end their process, or lose it to a signal from outside.

use processes::{JoinError, Pool};

use super::ended;
use super::system::{Resource, heed, ignore, limit};
use crate::support::{gated, gates, kill, soon, wait_until};

/// Runs `f`, which must lose its worker, and checks that the pool lives on.
#[track_caller]
fn lost(f: fn(()) -> u32) -> (Option<i32>, Option<i32>) {
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(f, ());
    let behind = pool.submit(|x: u64| x + 1, 1);
    let error = ended(call).unwrap_err();
    assert_eq!(ended(behind).unwrap(), 2, "the call behind it was queued and must run");
    match error {
        JoinError::WorkerLost { signal, exit_code, .. } => (signal, exit_code),
        other => panic!("{other}"),
    }
}

#[test]
fn exit() {
    assert_eq!(lost(|()| std::process::exit(3)), (None, Some(3)));
}

#[test]
fn abort() {
    assert_eq!(lost(|()| std::process::abort()).0, Some(6));
}

/// What the profile setting `panic = "abort"` makes of a panic: the hook runs, then the process ends.
#[test]
fn panic_as_abort() {
    let panics: fn(()) -> u32 = |()| {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        panic!("on purpose")
    };
    assert_eq!(lost(panics).0, Some(6));
}

#[test]
fn segfault() {
    fn crash((): ()) -> u32 {
        let nowhere = std::ptr::without_provenance::<u32>(8);
        // SAFETY: none; the crash is the work under test.
        unsafe { nowhere.read_volatile() }
    }
    assert_eq!(lost(crash).0, Some(11));
}

#[test]
fn stack_overflow() {
    fn deeper(depth: u64) -> u64 {
        let page = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { deeper(depth + 1) + page[7] }
    }
    let (signal, _code) = lost(|()| {
        // Without a limit it would take all memory there is.
        limit(Resource::Stack, 8 << 20);
        u32::try_from(deeper(0) % 2).unwrap()
    });
    assert!(matches!(signal, Some(6 | 11)), "{signal:?}");
}

#[test]
fn a_kill_from_outside_fails_only_the_running_call() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate));
    let behind: Vec<_> = (0..200_u64).map(|x| pool.submit(|x| x, x)).collect();
    kill(soon(&entered));
    assert!(matches!(ended(running), Err(JoinError::WorkerLost { signal: Some(9), .. })));
    for (x, call) in (0..).zip(behind) {
        assert_eq!(ended(call).unwrap(), x);
    }
}

#[test]
fn an_idle_worker_that_dies_is_replaced() {
    let pool = Pool::new(2).unwrap();
    wait_until("both workers are ready", || pool.stats().ready == 2);
    let before = pool.pids();
    before.iter().copied().for_each(kill);
    wait_until("both are replaced", || {
        pool.stats().ready == 2 && pool.pids().iter().all(|pid| !before.contains(pid))
    });
    assert_eq!(ended(pool.submit(|x: u8| x, 1)).unwrap(), 1);
}

#[test]
fn a_child_that_somebody_else_reaps_is_lost_without_a_status() {
    const SIGCHLD: i32 = 17;
    let ignoring: fn(()) -> bool = |()| {
        ignore(SIGCHLD);
        let pool = Pool::new(1).unwrap();
        let lost = ended(pool.submit(|()| std::process::abort(), ()));
        assert_eq!(ended(pool.submit(|x: u8| x, 1)).unwrap(), 1);
        // What looks for leaks when processes end has a child, and waits for it.
        ended(pool.submit(heed, SIGCHLD)).unwrap();
        heed(SIGCHLD);
        matches!(lost, Err::<(), _>(JoinError::WorkerLost { signal: None, exit_code: None, .. }))
    };
    assert!(ended(processes::spawn(ignoring, ()).unwrap()).unwrap());
}
