//! The first things one tries.

use processes::{JoinError, Pool};

#[test]
fn a_call_returns_its_result() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.submit(|x: u64| x * 2, 21).join().unwrap(), 42);
}

#[test]
fn calls_run_in_other_processes() {
    let pool = Pool::new(2).unwrap();
    let pid = pool.submit(|()| std::process::id(), ()).join().unwrap();
    assert_ne!(pid, std::process::id());
    assert!(pool.pids().contains(&pid));
}

#[test]
fn many_calls_from_one_thread() {
    let pool = Pool::new(2).unwrap();
    let handles: Vec<_> = (0..5_000_u64).map(|x| pool.submit(|x| x + 1, x)).collect();
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.join().unwrap(), x + 1);
    }
}

#[test]
fn a_crash_is_a_value() {
    let pool = Pool::new(1).unwrap();
    let crash = pool.submit(|()| std::process::abort(), ());
    let after = pool.submit(|x: u8| x, 7);
    let lost: Result<(), JoinError> = crash.join();
    assert!(matches!(lost, Err(JoinError::WorkerLost { signal: Some(6), .. })), "{lost:?}");
    assert_eq!(after.join().unwrap(), 7);
}
