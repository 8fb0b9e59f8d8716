//! Waiting for several handles.

use std::thread;
use std::time::Duration;

use processes::{JoinHandle, Pool, WaitFor, as_completed, wait};

use crate::support::{BOUND, gated, gates, soon, wait_until};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn nothing_to_wait_for() {
    for until in [WaitFor::FirstCompleted, WaitFor::FirstException, WaitFor::All] {
        let (done, not_done) = wait(Vec::<JoinHandle<()>>::new(), until, None);
        assert!(done.is_empty() && not_done.is_empty());
    }
}

#[test]
fn the_first_one() {
    let pool = Pool::new(2).unwrap();
    let (entered, gate) = gates();
    let long = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let quick = pool.submit(|(_, _)| 1, (entered.clone(), gate.clone()));
    let (done, not_done) = wait([long, quick], WaitFor::FirstCompleted, BOUND);
    assert_eq!((done.len(), not_done.len()), (1, 1));
    let (none, _) = wait(&not_done, WaitFor::FirstCompleted, SHORT);
    assert!(none.is_empty(), "time is over");
    gate.put(1).unwrap();
    let (done, not_done) = wait(not_done, WaitFor::FirstCompleted, BOUND);
    assert_eq!((done.len(), not_done.len()), (1, 0));
}

#[test]
fn the_first_that_fails() {
    let pool = Pool::new(2).unwrap();
    let (entered, gate) = gates();
    let long = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let fine = pool.submit(|(_, _)| 1, (entered.clone(), gate.clone()));
    wait_until("it is finished", || fine.is_finished());
    let handles = [fine, long];
    assert_eq!(wait(&handles, WaitFor::FirstException, SHORT).0.len(), 1, "not a failure");
    let [fine, long] = handles;
    let crash = pool.submit(|(_, _)| std::process::abort(), (entered.clone(), gate.clone()));
    let handles = [fine, long, crash];
    let (done, not_done) = wait(&handles, WaitFor::FirstException, BOUND);
    assert_eq!((done.len(), not_done.len()), (2, 1));
    gate.put(1).unwrap();
    assert_eq!(wait(handles, WaitFor::All, BOUND).0.len(), 3);
}

#[test]
fn several_threads_wait_for_the_same_handles() {
    let pool = Pool::new(2).unwrap();
    for _ in 0..50 {
        let handles: Vec<_> = (0..10_u32).map(|x| pool.submit(|x| x, x)).collect();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert_eq!(wait(&handles, WaitFor::All, None).0.len(), 10));
            }
        });
        let joined = handles.into_iter().map(|handle| handle.join().unwrap());
        assert!(joined.eq(0..10));
    }
}

#[test]
fn the_same_handle_twice_and_then_as_it_completes() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let handle = pool.submit(gated, (entered.clone(), gate.clone()));
    for _ in 0..100 {
        let (done, not_done) = wait([&handle, &handle], WaitFor::All, Duration::ZERO);
        assert_eq!((done.len(), not_done.len()), (0, 2));
    }
    let mut set = as_completed([handle]);
    assert!(set.next_timeout(SHORT).is_none());
    gate.put(5).unwrap();
    assert_eq!(set.next_timeout(BOUND).unwrap().1.unwrap(), 5);
}
