//! Pools whose workers cannot serve, and what workers call first.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use processes::{JoinError, Pool, Queue};

use crate::support::{BOUND, gated, gates, kill, soon, wait_until};

/// What the initializer has left.
static SET_UP: AtomicU32 = AtomicU32::new(0);

/// Sets up.
fn set_up((value, log): (u32, Queue<u32>)) -> Result<(), String> {
    SET_UP.store(value, Ordering::Relaxed);
    log.put(std::process::id()).map_err(|error| error.to_string())
}

#[test]
fn each_worker_calls_it_first_also_a_replacement() {
    let log = Queue::bounded(16).unwrap();
    let pool = Pool::builder().workers(1).initializer(set_up, (17, log.clone())).build().unwrap();
    let call = |()| (SET_UP.load(Ordering::Relaxed), std::process::id());
    let (value, first) = pool.submit(call, ()).join().unwrap();
    assert_eq!((value, log.get_timeout(BOUND).unwrap()), (17, first));
    kill(first);
    let second = log.get_timeout(BOUND).unwrap();
    assert_eq!(pool.submit(call, ()).join().unwrap(), (17, second));
}

/// What calls of a pool with this initializer resolve to.
fn reason<E: std::fmt::Display + 'static>(f: fn(String) -> Result<(), E>) -> String {
    let pool =
        Pool::builder().workers(2).initializer(f, "some argument".to_owned()).build().unwrap();
    let calls: Vec<_> = (0..20_u8).map(|x| pool.submit(|x| x, x)).collect();
    let mut reasons = calls.into_iter().map(|call| {
        let error = call.join_timeout(BOUND).expect("nothing hangs").unwrap_err();
        assert!(matches!(error, JoinError::Broken { .. }), "{error}");
        error.to_string()
    });
    let first = reasons.next().unwrap();
    assert!(reasons.all(|other| other == first));
    let later = pool.submit(|x: u8| x, 1).join().unwrap_err();
    assert_eq!(later.to_string(), first);
    assert!(pool.stats().started <= 12, "{:?}", pool.stats());
    first
}

#[test]
fn one_that_fails_breaks_the_pool_and_says_why() {
    let fails = reason(|text| Err(format!("no license for {text}")));
    assert!(fails.contains("the initializer failed: no license for some argument"), "{fails}");
    let panics = reason(|text| -> Result<(), String> { panic!("bad {text}") });
    assert!(panics.contains("the initializer panicked: bad some argument at "), "{panics}");
    assert!(panics.contains("broken.rs:"), "{panics}");
    let ends = reason(|_| -> Result<(), String> { std::process::exit(3) });
    assert!(ends.contains("exit status: 3"), "{ends}");
    let long = reason(|_| Err("ä".repeat(1 << 16)));
    assert!(long.contains("ää"), "it is cut, not lost");
}

#[test]
fn an_initializer_may_have_no_argument_or_a_large_one() {
    let pool =
        Pool::builder().workers(1).initializer(|()| Ok::<_, String>(()), ()).build().unwrap();
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
    let check: fn(Vec<u8>) -> Result<(), usize> =
        |bytes| if bytes.len() == 1 << 20 { Ok(()) } else { Err(bytes.len()) };
    let pool = Pool::builder().workers(1).initializer(check, vec![3; 1 << 20]).build().unwrap();
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
fn an_initializer_that_hangs_is_killed_and_breaks_the_pool() {
    let hangs: fn(()) -> Result<(), String> = |()| {
        loop {
            std::thread::park();
        }
    };
    let pool = Pool::builder().workers(2).initializer(hangs, ());
    let pool = pool.init_timeout(Duration::from_millis(20)).build().unwrap();
    let calls: Vec<_> = (0..5_u8).map(|x| pool.submit(|x| x, x)).collect();
    for call in calls {
        let error = call.join_timeout(BOUND).expect("nothing hangs").unwrap_err();
        assert!(matches!(error, JoinError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("was not ready within 20ms"), "{error}");
    }
}

#[test]
fn an_argument_that_cannot_be_sent_is_an_error_of_build() {
    struct Never;
    impl serde::Serialize for Never {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not this one"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Never {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let built =
        Pool::builder().workers(1).initializer(|_: Never| Ok::<_, String>(()), Never).build();
    let error = built.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not this one"), "{error}");
}

#[test]
fn the_end_of_what_a_lost_worker_wrote_is_in_the_error() {
    let pool = Pool::builder().workers(1).capture_stderr(40).build().unwrap();
    let speaks: fn(()) = |()| {
        for x in 0..1_000 {
            eprintln!("line {x} (a test writes this on purpose)");
        }
        std::process::abort();
    };
    let error = pool.submit(speaks, ()).join_timeout(BOUND).unwrap().unwrap_err();
    assert!(error.to_string().contains("ine 999"), "{error}");
    let JoinError::WorkerLost { stderr, .. } = error else { panic!("{error}") };
    assert_eq!(stderr, "line 999 (a test writes this on purpose)\n"[1..]);
    let silent = pool.submit(|()| -> u8 { std::process::abort() }, ()).join().unwrap_err();
    assert!(
        matches!(&silent, JoinError::WorkerLost { stderr, .. } if stderr.is_empty()),
        "{silent}"
    );
    let not_kept = Pool::new(1).unwrap();
    let error = not_kept.submit(|()| -> u8 { std::process::abort() }, ()).join().unwrap_err();
    assert!(matches!(&error, JoinError::WorkerLost { stderr, .. } if stderr.is_empty()), "{error}");
    let too_much = Pool::builder().workers(1).capture_stderr(usize::MAX).build().unwrap_err();
    assert_eq!(too_much.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_thread_that_has_stderr_locked_may_wait_for_the_pool() {
    let pool = Pool::builder().workers(1).capture_stderr(1_000).build().unwrap();
    let speaks: fn(()) = |()| {
        eprintln!("a worker writes this on purpose");
        std::process::abort();
    };
    let locked = std::io::stderr().lock();
    let lost = pool.submit(speaks, ()).join_timeout(BOUND);
    drop(locked);
    let error = lost.expect("the pool waits for nobody").unwrap_err();
    assert!(matches!(&error, JoinError::WorkerLost { .. }), "{error}");
    assert!(error.to_string().contains("on purpose"), "{error}");
}

#[test]
fn a_panic_has_a_backtrace_when_asked_for() {
    fn far_below(_: u8) -> u8 {
        panic!("on purpose")
    }
    let pool = Pool::builder().workers(1).backtraces(true).build().unwrap();
    let error = pool.submit(far_below, 1).join().unwrap_err();
    let JoinError::Panicked { backtrace: Some(trace), location, .. } = error else {
        panic!("{error}")
    };
    assert!(trace.contains("far_below") && location.is_some(), "{trace}");
}

#[test]
fn a_pool_recovers_when_the_cause_is_gone() {
    /// Shorter than a pool rests after the first worker that was of no use.
    const REST: Duration = Duration::from_millis(500);
    let folder = tempfile::tempdir().unwrap();
    let license = folder.path().join("license");
    let needs: fn(PathBuf) -> Result<(), String> =
        |license| license.exists().then_some(()).ok_or_else(|| "no license".to_owned());
    let begun = Instant::now();
    let pool = Pool::builder().workers(2).initializer(needs, license.clone()).build().unwrap();
    let error = pool.submit(|x: u8| x, 1).join_timeout(BOUND).unwrap().unwrap_err();
    assert!(error.to_string().contains("no license"), "{error}");
    // A call that comes after the pause waits for a worker that is tried, and fails with that one.
    let started = pool.stats().started;
    wait_until("a worker is tried", || {
        let call = pool.submit(|x: u8| x, 1).join_timeout(BOUND).expect("it does not wait");
        assert!(matches!(call, Err(JoinError::Broken { .. })), "{call:?}");
        let is_tried = pool.stats().started > started;
        assert!(!is_tried || begun.elapsed() > REST, "too early: {:?}", pool.stats());
        is_tried
    });
    std::fs::write(&license, "").unwrap();
    wait_until("a call returns", || {
        pool.submit(|x: u8| x, 7).join_timeout(BOUND).unwrap().is_ok_and(|x| x == 7)
    });
    wait_until("all workers are back", || pool.stats().ready == 2);
}

#[test]
fn workers_that_are_killed_while_they_work_are_replaced_at_once() {
    let pool = Pool::new(1).unwrap();
    // With pauses as after lives that were of no use, this took more than three minutes.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for round in 0..200 {
            let (entered, gate) = gates();
            let call = pool.submit(gated, (entered.clone(), gate));
            soon(&entered);
            assert!(call.kill());
            let error = call.join_timeout(BOUND).unwrap().unwrap_err();
            assert!(matches!(error, JoinError::WorkerLost { .. }), "{round}: {error}");
        }
        sender.send(pool.submit(|x: u8| x, 1).join()).unwrap();
    });
    let last = receiver.recv_timeout(5 * BOUND).expect("no replacement is late");
    assert_eq!(last.unwrap(), 1);
}

#[test]
fn a_worker_that_has_worked_for_a_while_was_of_use_whoever_kills_it() {
    let pool = Pool::new(1).unwrap();
    let busy: fn((Queue<u32>, Queue<u32>)) = |(entered, gate)| {
        entered.put(std::process::id()).unwrap();
        let (Ok(_) | Err(_)) = gate.get_timeout(Duration::from_millis(60));
        entered.put(std::process::id()).unwrap();
        gate.get().unwrap();
    };
    for round in 0..8 {
        let (entered, gate) = gates();
        let call = pool.submit(busy, (entered.clone(), gate));
        soon(&entered);
        kill(soon(&entered));
        let error = call.join_timeout(BOUND).unwrap().unwrap_err();
        assert!(matches!(error, JoinError::WorkerLost { signal: Some(9), .. }), "{round}: {error}");
    }
    assert_eq!(pool.submit(|x: u8| x, 1).join_timeout(BOUND).unwrap().unwrap(), 1);
    assert_eq!(pool.stats().lost, 8);
}
