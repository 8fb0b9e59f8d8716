//! A job that waits for several handles, and its own is among them.

use super::{message, with_own_handle};
use crate::support::{Gate, in_time, until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;
use threads::{JoinError, JoinHandle, Pool, WaitFor, as_completed, wait};

/// Has a job wait in some way for its own handle, and perhaps for others; the message
/// of its panic, or "" if there was none.
fn wait_inside(
    pool: &Pool,
    others: Vec<JoinHandle<u32>>,
    wait: impl FnOnce(Vec<JoinHandle<u32>>) + Send + 'static,
) -> String {
    let (give, take) = mpsc::channel::<JoinHandle<u32>>();
    let (told, result) = mpsc::channel();
    let job = pool.spawn(move || {
        let mut handles = others;
        handles.push(take.recv().unwrap());
        let waited = catch_unwind(AssertUnwindSafe(|| wait(handles)));
        told.send(waited.map_or_else(message, |()| String::new())).unwrap();
        0
    });
    give.send(job).unwrap();
    result.recv().unwrap()
}

#[test]
fn waiting_for_oneself_in_any_way_panics() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let ways: [fn(Vec<JoinHandle<u32>>); 4] = [
            |handles| drop(wait(handles, WaitFor::All, None)),
            |handles| drop(wait(handles, WaitFor::FirstCompleted, None)),
            |handles| drop(wait(handles, WaitFor::FirstException, None)),
            |handles| drop(as_completed(handles).collect::<Vec<_>>()),
        ];
        for way in ways {
            let text = wait_inside(&pool, Vec::new(), way);
            assert!(text.contains("for ever"), "{text}");
        }
    });
}

/// All of a set are waited for: one that never ends is enough, also while another runs.
#[test]
fn waiting_for_all_with_oneself_panics() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::occupy(&pool);
        let (open, ended) = (gate.opener, gate.job);
        let other = threads::spawn(|ended: JoinHandle<()>| ended.join().map_or(1, |()| 0), ended);
        let way = |handles| drop(wait(handles, WaitFor::All, None));
        let text = wait_inside(&pool, vec![other.unwrap()], way);
        assert!(text.contains("for ever"), "{text}");
        drop(open);
    });
}

/// One of a set is enough: the wait ends when another job does, and only what is left
/// then can never end.
#[test]
fn waiting_for_any_with_oneself_ends_with_the_others() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for first in [true, false] {
            let gate = Gate::occupy(&pool);
            let other = gate.job;
            let (open, pool_of_one) = (gate.opener, Pool::new(1).unwrap());
            let slow = pool_of_one.spawn(move || other.join().map_or(1, |()| 0));
            let (waits, waiting) = mpsc::channel();
            let opener = threads::spawn(
                move |()| {
                    waiting.recv().unwrap();
                    // For longer than a wait is only looked at.
                    let gate = threads::Event::new().unwrap();
                    assert!(!gate.wait_timeout(Duration::from_millis(20)));
                    drop(open);
                },
                (),
            );
            let text = wait_inside(&pool, vec![slow], move |handles| {
                waits.send(()).unwrap();
                if first {
                    let (done, left) = wait(handles, WaitFor::FirstCompleted, None);
                    assert_eq!((done.len(), left.len()), (1, 1));
                } else {
                    let mut set = as_completed(handles);
                    assert!(matches!(set.next(), Some((0, Ok(0)))));
                    set.next();
                }
            });
            assert_eq!(text.contains("for ever"), !first, "{text}");
            opener.unwrap().join().unwrap();
        }
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

#[test]
fn a_map_inside_of_its_own_job_panics() {
    type Numbers<R> = Box<dyn Iterator<Item = Result<u32, R>> + Send>;
    static POOL: OnceLock<Pool> = OnceLock::new(); // The maps borrow it.
    in_time(|| {
        let pool = POOL.get_or_init(|| Pool::new(2).unwrap());
        for ordered in [true, false] {
            let (give, take) = mpsc::channel::<Numbers<JoinError>>();
            let (told, result) = mpsc::channel();
            let take = std::sync::Mutex::new(take);
            let f = move |x: u32| {
                if x == 1 {
                    let mut map = take.lock().unwrap().recv().unwrap();
                    let next = catch_unwind(AssertUnwindSafe(|| map.next()));
                    told.send(next.map_or_else(message, |_| String::new())).unwrap();
                }
                x
            };
            let mut map: Numbers<JoinError> = if ordered {
                Box::new(pool.map(f, 0..2))
            } else {
                Box::new(pool.map_unordered(f, 0..2))
            };
            assert!(matches!(map.next(), Some(Ok(0))));
            give.send(map).unwrap();
            let text = result.recv().unwrap();
            assert!(text.contains("for ever") || text.contains("for itself"), "{text}");
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
                assert_eq!(message.contains("for ever"), panics, "{until:?}");
                assert_eq!(message.is_empty(), !panics, "{message}");
            }
        }
        let inner = Arc::clone(&pool);
        let message = with_own_handle(Some(&pool), move |own| {
            let mut set = as_completed([own, inner.spawn(|| ())]);
            assert!(matches!(set.next(), Some((1, Ok(())))));
            set.next();
        });
        assert!(message.recv().unwrap().contains("for ever"));
    });
}

/// What another worker does can end: waiting for that and itself is no mistake.
#[test]
fn a_job_in_its_own_set_waits_for_what_runs_elsewhere() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for by_set in [false, true] {
            let Gate { opener: open, job } = Gate::occupy(&pool);
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
                catch_unwind(AssertUnwindSafe(waits)).is_err()
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
