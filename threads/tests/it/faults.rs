//! Wrong use: a documented panic, never a hang.

use crate::support::{Gate, in_time, until};
use std::sync::{Arc, mpsc};
use threads::{BoundedSemaphore, JoinError, JoinHandle, Pool, Queue, WaitFor, as_completed, wait};

#[test]
fn a_job_that_joins_itself_panics() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = Pool::new(workers).unwrap();
            let (give, take) = mpsc::channel::<JoinHandle<()>>();
            let (told, result) = mpsc::channel();
            let handle = pool.spawn(move || {
                let own = take.recv().unwrap();
                let joined = std::panic::catch_unwind(move || own.join());
                told.send(*joined.unwrap_err().downcast::<&str>().unwrap()).unwrap();
            });
            give.send(handle).unwrap();
            assert!(result.recv().unwrap().contains("cannot wait for itself"));
        }
    });
}

#[test]
fn a_job_run_by_its_joiner_that_joins_the_joiner_panics() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let (give, take) = mpsc::channel::<JoinHandle<bool>>();
        let (told, result) = mpsc::channel();
        let outer = pool.spawn(move || {
            let outer = take.recv().unwrap();
            let below = inner.spawn(move || outer.join().is_ok()).join();
            told.send(matches!(below, Err(JoinError::Panicked { .. }))).unwrap();
            true
        });
        give.send(outer).unwrap();
        assert!(result.recv().unwrap());
    });
}

#[test]
fn a_thread_that_joins_itself_panics() {
    in_time(|| {
        let (give, take) = mpsc::channel::<JoinHandle<()>>();
        let (told, result) = mpsc::channel();
        let body = move |take: mpsc::Receiver<JoinHandle<()>>| {
            let own = take.recv().unwrap();
            let joined = std::panic::catch_unwind(move || own.join());
            told.send(joined.is_err()).unwrap();
        };
        give.send(threads::spawn(body, take).unwrap()).unwrap();
        assert!(result.recv().unwrap());
    });
}

#[test]
fn a_job_in_its_own_set_still_sees_the_others() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let (give, take) = mpsc::channel::<Vec<JoinHandle<u64>>>();
        let (told, result) = mpsc::channel();
        let own = pool.spawn(move || {
            let first = as_completed(take.recv().unwrap()).next();
            told.send(matches!(first, Some((1, Ok(7))))).unwrap();
            0
        });
        let other = pool.spawn(|| 7);
        give.send(vec![own, other]).unwrap();
        assert!(result.recv().unwrap());
    });
}

/// Two jobs on two workers that join each other.
#[test]
fn jobs_that_join_each_other_panic() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (give, take): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let jobs: Vec<_> = take
            .into_iter()
            .map(|take: mpsc::Receiver<JoinHandle<bool>>| {
                pool.spawn(move || take.recv().unwrap().join().is_ok())
            })
            .collect();
        let (told, ends) = mpsc::channel();
        for (job, give) in jobs.into_iter().zip(give.into_iter().rev()) {
            let told = told.clone();
            job.on_done(move |outcome| told.send(outcome).unwrap());
            give.send(job).unwrap();
        }
        let mut ends = [ends.recv().unwrap(), ends.recv().unwrap()];
        ends.sort_by_key(|end| *end != threads::Outcome::Returned);
        assert_eq!(ends, [threads::Outcome::Returned, threads::Outcome::Panicked]);
    });
}

#[test]
fn use_after_the_pool_has_ended() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let local = pool.worker_local(|| 1);
        let handle = pool.spawn(|| 2);
        pool.shutdown();
        assert_eq!(local.with(|x| *x), 1);
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 2);
    });
}

/// Starts a job with its own handle, in a pool or as a thread of its own.
fn with_own_handle(
    pool: Option<&Pool>,
    body: impl FnOnce(JoinHandle<()>) + Send + 'static,
) -> mpsc::Receiver<String> {
    let (give, take) = mpsc::channel::<JoinHandle<()>>();
    let (told, result) = mpsc::channel();
    let job = move || {
        let own = take.recv().unwrap();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(own)));
        let message = ended.err().map_or(String::new(), |payload| {
            payload.downcast::<&str>().map_or("?".to_owned(), |text| (*text).to_owned())
        });
        told.send(message).unwrap();
    };
    let handle = match pool {
        Some(pool) => pool.spawn(job),
        None => threads::spawn(|job| job(), job).unwrap(),
    };
    give.send(handle).unwrap();
    result
}

#[test]
fn a_job_that_waits_for_a_set_with_itself_panics() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for pool in [Some(&pool), None] {
            let message = with_own_handle(pool, |own| drop(as_completed([own]).next()));
            assert!(message.recv().unwrap().contains("cannot wait for itself"));
            for until in [WaitFor::FirstCompleted, WaitFor::FirstException, WaitFor::All] {
                let message = with_own_handle(pool, move |own| drop(wait([own], until, None)));
                assert!(message.recv().unwrap().contains("cannot wait for itself"), "{until:?}");
            }
        }
    });
}

/// With others in the set, it gets what it can get, and panics when only itself is left.
#[test]
fn a_job_that_waits_for_itself_and_others() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        for until in [WaitFor::FirstCompleted, WaitFor::FirstException, WaitFor::All] {
            for fails in [false, true] {
                let inner = Arc::clone(&pool);
                let message = with_own_handle(Some(&pool), move |own| {
                    let other = inner.spawn(move || assert!(!fails, "on purpose"));
                    assert_eq!(wait([own, other], until, None).0.len(), 1);
                });
                let panics = match until {
                    WaitFor::FirstCompleted => false,
                    WaitFor::FirstException => !fails,
                    _ => true,
                };
                let message = message.recv().unwrap();
                assert_eq!(message.contains("cannot wait for itself"), panics, "{until:?}");
                assert_eq!(message.is_empty(), !panics, "{message}");
            }
        }
        let inner = Arc::clone(&pool);
        let message = with_own_handle(Some(&pool), move |own| {
            let mut set = as_completed([own, inner.spawn(|| ())]);
            assert!(matches!(set.next(), Some((1, Ok(())))));
            set.next();
        });
        assert!(message.recv().unwrap().contains("cannot wait for itself"));
    });
}

/// What another worker does can end: waiting for that and itself is no mistake.
#[test]
fn a_job_in_its_own_set_waits_for_what_runs_elsewhere() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for by_set in [false, true] {
            let Gate { open, job } = Gate::occupy(&pool);
            let (begun, seen) = mpsc::channel();
            let message = with_own_handle(Some(&pool), move |own| {
                begun.send(()).unwrap();
                if by_set {
                    assert!(matches!(as_completed([own, job]).next(), Some((1, Ok(())))));
                } else {
                    let (done, _) = wait([own, job], WaitFor::FirstCompleted, None);
                    assert_eq!(done.len(), 1);
                }
            });
            seen.recv().unwrap();
            until("it waits", || pool.stats().aside == 1);
            drop(open);
            assert_eq!(message.recv().unwrap(), "");
        }
    });
}

/// Somebody else who waits for the same job learns of its end.
#[test]
fn others_wait_on_while_a_job_waits_for_itself() {
    in_time(|| {
        for _ in 0..200 {
            let (give, take) = mpsc::channel::<Arc<JoinHandle<bool>>>();
            let body = move |()| {
                let own = take.recv().unwrap();
                let waits = || drop(wait([&*own], WaitFor::All, None));
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(waits)).is_err()
            };
            let handle = Arc::new(threads::spawn(body, ()).unwrap());
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(wait([&*handle], WaitFor::All, None).0.len(), 1));
                give.send(Arc::clone(&handle)).unwrap();
            });
            let mut handle = handle;
            let handle = loop {
                match Arc::try_unwrap(handle) {
                    Ok(handle) => break handle,
                    Err(shared) => handle = shared, // Its own clone is about to go.
                }
            };
            assert!(handle.join().unwrap());
        }
    });
}

/// One that is run on the spot by its joiner, and waits for that.
#[test]
fn a_job_that_waits_for_a_set_with_its_joiner_panics() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let message = with_own_handle(Some(&pool), move |own| {
            let below = inner.spawn(move || drop(wait([own], WaitFor::All, None))).join();
            let Err(JoinError::Panicked { message, .. }) = below else { panic!("{below:?}") };
            assert!(message.contains("cannot wait for itself"), "{message}");
        });
        assert_eq!(message.recv().unwrap(), "");
    });
}

#[test]
fn what_a_job_does_to_itself_with_a_limit_ends() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let message = with_own_handle(Some(&pool), |own| {
            let limit = std::time::Duration::from_millis(2);
            assert!(!own.cancel() && !own.wait_timeout(limit) && own.is_running());
            assert!(wait([&own], WaitFor::All, limit).0.is_empty());
            assert!(own.join_timeout(limit).is_err());
        });
        assert_eq!(message.recv().unwrap(), "");
    });
}

#[test]
fn errors_say_what_to_do() {
    let over = BoundedSemaphore::new(1).unwrap().release(1).unwrap_err();
    assert!(over.to_string().contains("one that is dropped releases itself"), "{over}");
    let done = Queue::<u8>::bounded(1).unwrap().task_done().unwrap_err();
    assert!(done.to_string().contains("call it once for each one got"), "{done}");
    for error in [
        Queue::<u8>::bounded(0).unwrap_err(),
        BoundedSemaphore::new(0).unwrap_err(),
        Pool::new(0).unwrap_err(),
        threads::Barrier::new(0).unwrap_err(),
    ] {
        assert!(error.to_string().contains("ask for "), "{error}");
    }
}
