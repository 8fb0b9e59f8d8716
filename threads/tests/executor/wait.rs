//! Waiting for several handles.

use std::thread;
use std::time::Duration;

use super::support::{Gate, LIMIT, SHORT, in_time, rounds, until};
use crate::executor::failing;
use crate::executor::model::{
    Event, JoinError, JoinHandle, Outcome, Pool, WaitFor, as_completed, wait,
};

#[test]
fn nothing_to_wait_for() {
    for until in [WaitFor::FirstCompleted, WaitFor::FirstException, WaitFor::All] {
        let (done, not_done) = wait(Vec::<JoinHandle<()>>::new(), until, None);
        assert!(done.is_empty() && not_done.is_empty());
    }
}

#[test]
fn first_completed() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let Gate { opener, job } = Gate::occupy(&pool);
        let quick = pool.submit(|()| (), ());
        let (done, not_done) = wait([job, quick], WaitFor::FirstCompleted, None);
        assert_eq!((done.len(), not_done.len()), (1, 1));
        let (none, _) = wait(&not_done, WaitFor::FirstCompleted, SHORT);
        assert!(none.is_empty(), "time is over");
        drop(opener);
        let (done, not_done) = wait(not_done, WaitFor::FirstCompleted, LIMIT);
        assert_eq!((done.len(), not_done.len()), (1, 0));
    });
}

#[test]
fn first_exception() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::occupy(&pool);
        let fine = pool.submit(|()| (), ());
        until("it is finished", || fine.is_finished());
        let behind = Gate::occupy(&pool);
        let cancelled = pool.submit(|()| (), ());
        assert!(cancelled.cancel());
        let fails = pool.submit(|()| panic!("fails"), ());
        let Gate { opener, job } = gate;
        let handles = [fine, cancelled, job, fails];
        let (done, _) = wait(&handles, WaitFor::FirstException, SHORT);
        assert_eq!(done.len(), 2, "neither is a failure");
        behind.open().join().unwrap();
        let (done, not_done) = wait(&handles, WaitFor::FirstException, None);
        assert_eq!((done.len(), not_done.len()), (3, 1));
        let again = wait(&handles, WaitFor::FirstException, None);
        assert_eq!(again.0.len(), 3, "one that had failed before");
        assert_eq!(wait(handles, WaitFor::FirstException, None).0.len(), 3);
        drop(opener);
    });
}

/// The wait goes on until the other one is finished.
#[test]
fn a_cancelled_job_has_not_failed() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        for _ in 0..20 {
            let Gate { opener, job } = Gate::occupy(&pool);
            let cancelled = pool.submit(|()| (), ());
            assert!(cancelled.cancel());
            let (go, gone) = std::sync::mpsc::channel();
            let opens = thread::spawn(move || {
                gone.recv().unwrap();
                drop(opener);
            });
            go.send(()).unwrap();
            let (done, _) = wait([cancelled, job], WaitFor::FirstException, None);
            assert_eq!(done.len(), 2);
            opens.join().unwrap();
        }
    });
}

#[test]
fn no_exception_is_all() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..100).map(|x| pool.submit(|x| x, x)).collect();
        let (done, not_done) = wait(handles, WaitFor::FirstException, None);
        assert!(not_done.is_empty());
        let results = done.into_iter().map(|handle| handle.join().unwrap());
        assert!(results.eq(0..100), "in the order in which they came");
    });
}

#[test]
fn all_with_and_without_enough_time() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let handles: Vec<_> = (0..10).map(|x| pool.submit(|x| x, x)).collect();
        let (done, not_done) = wait(&handles, WaitFor::All, SHORT);
        assert_eq!((done.len(), not_done.len()), (0, 10));
        assert!(wait(&handles, WaitFor::All, Duration::ZERO).0.is_empty());
        gate.open().join().unwrap();
        assert_eq!(wait(&handles, WaitFor::All, LIMIT).0.len(), 10);
    });
}

#[test]
fn several_threads_wait_for_the_same_handles() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for _ in 0..100 {
            let handles: Vec<_> = (0..10).map(|x| pool.submit(|x| x, x)).collect();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| assert_eq!(wait(&handles, WaitFor::All, None).0.len(), 10));
                }
                scope.spawn(|| assert!(handles.iter().all(|handle| handle.wait_timeout(LIMIT))));
            });
            let joined = handles.into_iter().map(|handle| handle.join().unwrap());
            assert!(joined.eq(0..10));
        }
    });
}

/// Time that runs out just when a job finishes never loses its result.
#[test]
fn time_limits_race_with_completion() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let limits = [Duration::ZERO, Duration::from_micros(1), Duration::from_micros(20)];
        for x in 0..rounds(6_000, 100_000) {
            let limit = limits[x as usize % 3];
            let handle = pool.submit(|x| x, x);
            let handle = match x % 6 {
                0 => {
                    handle.wait_timeout(limit);
                    handle
                }
                1 => match handle.join_timeout(limit) {
                    Ok(result) => {
                        assert_eq!(result.unwrap(), x);
                        continue;
                    }
                    Err(handle) => handle,
                },
                2 => {
                    let (mut done, mut not_done) = wait([handle], WaitFor::All, limit);
                    done.append(&mut not_done);
                    done.pop().unwrap()
                }
                3 => {
                    let mut set = as_completed([handle]);
                    let soon = set.next_timeout(limit);
                    let (_, result) = soon.or_else(|| set.next()).unwrap();
                    assert_eq!(result.unwrap(), x);
                    continue;
                }
                4 => {
                    let mut map = pool.map_unordered(|x| x, [x]);
                    match map.next_timeout(limit) {
                        Ok(result) => assert_eq!(result.unwrap().unwrap(), x),
                        Err(_) => assert_eq!(map.next().unwrap().unwrap(), x),
                    }
                    handle
                }
                _ => {
                    let mut map = pool.map(|x| x, [x]);
                    match map.next_timeout(limit) {
                        Ok(result) => assert_eq!(result.unwrap().unwrap(), x),
                        Err(_) => assert_eq!(map.next().unwrap().unwrap(), x),
                    }
                    handle
                }
            };
            assert_eq!(handle.join().unwrap(), x);
        }
    });
}

#[test]
fn a_wait_leaves_nothing_in_the_handles() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.submit(|x: u8| x, 3);
    for _ in 0..1_000 {
        wait([&handle], WaitFor::All, Duration::ZERO);
    }
    assert!(!handle.is_finished());
    gate.open().join().unwrap();
    assert_eq!(handle.join().unwrap(), 3);
}

/// Many handles cost as much for each as few.
#[test]
fn many_handles_are_not_looked_at_for_each_of_them() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..50_000).map(|x| pool.submit(|x| x, x)).collect();
        let (done, not_done) = wait(handles, WaitFor::FirstException, None);
        assert_eq!((done.len(), not_done.len()), (50_000, 0));
    });
}

/// Also while the only worker is busy: none has to come across it first.
#[test]
fn a_cancelled_job_is_finished_at_once_for_every_kind_of_wait() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let cancelled = || {
            let handle = pool.submit(|x: u8| x, 1);
            assert!(handle.cancel());
            handle
        };
        let queued = pool.submit(|x: u8| x, 1);
        let handles = [&cancelled(), &queued];
        assert_eq!(wait(handles, WaitFor::FirstCompleted, None).0.len(), 1);
        assert_eq!(wait([cancelled(), cancelled()], WaitFor::All, None).0.len(), 2);
        assert_eq!(wait([cancelled()], WaitFor::FirstException, Duration::ZERO).0.len(), 1);
        assert!(cancelled().wait_timeout(Duration::ZERO));
        let (_, result) = as_completed([queued, cancelled()]).next().unwrap();
        assert!(matches!(result, Err(JoinError::Cancelled)));
        assert!(matches!(cancelled().join(), Err(JoinError::Cancelled)));
        gate.open().join().unwrap();
    });
}

/// Jobs that have ended in every way before the wait, with one that has not.
#[test]
fn what_is_finished_before_counts() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let ended = [pool.submit(|x| x, 1), pool.submit(|_| panic!("on purpose"), 1)];
        assert_eq!(wait(&ended, WaitFor::All, None).0.len(), 2, "a panic is no reason to return");
        let gate = Gate::occupy(&pool);
        let [cancelled, pending] = [pool.submit(|x| x, 3), pool.submit(|x| x, 4)];
        cancelled.cancel();
        let [returned, panicked] = ended;
        let handles = [pending, returned, cancelled, panicked];
        for (until, limit) in [
            (WaitFor::FirstCompleted, None),
            (WaitFor::FirstException, None),
            (WaitFor::All, Some(SHORT)),
            (WaitFor::All, Some(Duration::ZERO)),
        ] {
            let (done, not_done) = wait(&handles, until, limit);
            assert_eq!((done.len(), not_done.len()), (3, 1), "{until:?}");
            assert!(!not_done[0].is_finished());
        }
        let mut set = as_completed(handles);
        let now = [(); 3].map(|()| set.next_timeout(Duration::ZERO).unwrap().0);
        assert_eq!(now, [1, 2, 3]);
        assert!(set.next_timeout(SHORT).is_none() && set.len() == 1);
        gate.open().join().unwrap();
        assert!(matches!(set.next(), Some((0, Ok(4)))));
        assert!(set.next().is_none());
    });
}

#[test]
fn the_same_handle_twice_is_twice_in_the_answer() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let behind = pool.submit(|()| (), ());
        for until in [WaitFor::FirstCompleted, WaitFor::FirstException, WaitFor::All] {
            let (done, not_done) = wait([&gate.job, &gate.job, &behind], until, SHORT);
            assert_eq!((done.len(), not_done.len()), (0, 3), "{until:?}");
        }
        let job = gate.open();
        assert_eq!(wait([&job, &behind, &job], WaitFor::All, None).0.len(), 3);
    });
}

/// Nobody asked for that, as for a cancellation.
#[test]
fn a_job_that_could_not_run_has_failed() {
    in_time(|| {
        let broken = failing(Pool::builder().workers(1), false).build().unwrap();
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let handles = [pool.submit(|()| (), ()), broken.submit(|()| (), ())];
        let (done, not_done) = wait(&handles, WaitFor::FirstException, None);
        assert_eq!((done.len(), not_done.len()), (1, 1));
        assert_eq!(done[0].outcome(), Some(Outcome::Broken));
        gate.open().join().unwrap();
    });
}

/// Many jobs that end at the same moment.
#[test]
fn jobs_that_end_together() {
    in_time(|| {
        let pool = Pool::new(4).unwrap();
        for _ in 0..20 {
            let event = Event::new().unwrap();
            let ends = |event: Event| assert!(event.wait_timeout(LIMIT));
            let handles: Vec<_> = (0..100).map(|_| pool.submit(ends, event.clone())).collect();
            thread::scope(|scope| {
                scope.spawn(|| event.set());
                assert_eq!(wait(&handles, WaitFor::All, None).0.len(), 100);
            });
            assert!(handles.into_iter().all(|handle| handle.join().is_ok()));
        }
    });
}
