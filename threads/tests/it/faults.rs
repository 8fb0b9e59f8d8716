//! Wrong use: a documented panic, never a hang.

use crate::support::{Gate, in_time, until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;
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
                let joined = catch_unwind(move || own.join());
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
            let joined = catch_unwind(move || own.join());
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

/// What a panic said.
fn message(payload: Box<dyn std::any::Any + Send>) -> String {
    let text = payload.downcast::<String>().map(|text| *text);
    text.unwrap_or_else(|payload| (*payload.downcast::<&str>().unwrap()).to_owned())
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
        let (open, ended) = (gate.open, gate.job);
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
            let (open, pool_of_one) = (gate.open, Pool::new(1).unwrap());
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
fn a_map_inside_of_its_own_job_panics() {
    type Numbers<R> = Box<dyn Iterator<Item = Result<u32, R>> + Send>;
    in_time(|| {
        let pool: &'static Pool = Box::leak(Box::new(Pool::new(2).unwrap()));
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

/// Starts something that joins the handle which comes out of the channel.
type Start = fn(mpsc::Receiver<JoinHandle<bool>>, &[Pool; 2]) -> JoinHandle<bool>;

/// Joins what comes.
fn join_next(take: &mpsc::Receiver<JoinHandle<bool>>) -> bool {
    take.recv().unwrap().join().is_ok()
}

#[test]
fn circles_through_pools_and_threads_panic() {
    in_time(|| {
        let first: Start = |take, pools| pools[0].spawn(move || join_next(&take));
        let second: Start = |take, pools| pools[1].spawn(move || join_next(&take));
        let thread: Start = |take, _| threads::spawn(|take| join_next(&take), take).unwrap();
        let named: Start = |take, _| {
            let builder = threads::ThreadBuilder::new().name("circle");
            builder.spawn(move || join_next(&take)).unwrap().into_handle()
        };
        let inline: Start = |take, _| {
            let inner = move |take| Pool::inline().submit(|take| join_next(&take), take);
            threads::spawn(move |take| inner(take).join().unwrap(), take).unwrap()
        };
        let sets: Start = |take, pools| {
            pools[0].spawn(move || {
                let (done, _) = wait([take.recv().unwrap()], WaitFor::All, None);
                done.into_iter().all(|handle| handle.join().is_ok())
            })
        };
        let circles: [&[Start]; 7] = [
            &[first, second],
            &[thread, named],
            &[first, thread],
            &[first, second, named, first],
            &[inline, second],
            &[sets, second],
            &[sets, thread, named],
        ];
        let pools = [Pool::new(2).unwrap(), Pool::new(1).unwrap()];
        for circle in circles {
            let (give, take): (Vec<_>, Vec<_>) = circle.iter().map(|_| mpsc::channel()).unzip();
            let (told, ends) = mpsc::channel();
            let jobs: Vec<_> =
                circle.iter().zip(take).map(|(start, take)| start(take, &pools)).collect();
            // Each is given the next one.
            for (job, at) in jobs.into_iter().zip(circle.len() - 1..) {
                let told = told.clone();
                job.on_done(move |outcome| told.send(outcome).unwrap());
                give[at % circle.len()].send(job).unwrap();
            }
            let ends: Vec<_> = circle.iter().map(|_| ends.recv().unwrap()).collect();
            let panics = ends.iter().filter(|end| **end == threads::Outcome::Panicked).count();
            assert_eq!(panics, 1, "{ends:?}");
        }
    });
}

/// Whoever waits with a limit is part of no circle, as that wait ends.
#[test]
fn a_circle_with_a_limit_in_it_does_not_panic() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (give, take) = mpsc::channel::<JoinHandle<bool>>();
        let limited = pool.spawn(move || {
            let other = take.recv().unwrap();
            other.wait_timeout(Duration::from_millis(20))
        });
        let other = threads::spawn(|limited: JoinHandle<bool>| limited.join().unwrap(), limited);
        let other = other.unwrap();
        let (told, end) = mpsc::channel();
        other.on_done(move |outcome| told.send(outcome).unwrap());
        give.send(other).unwrap();
        assert_eq!(end.recv().unwrap(), threads::Outcome::Returned);
    });
}

/// Each reads after "failed to", and says what it is about.
#[test]
fn texts_of_errors() {
    fn text<T>(result: std::io::Result<T>) -> String {
        result.err().expect("it fails").to_string()
    }
    let pool = Pool::builder;
    let name = || threads::ThreadBuilder::new().name("a\0b");
    let texts = [
        (text(pool().workers(0).build()), "give a pool 0 workers: "),
        (text(pool().workers(5_000).build()), "give a pool 5000 workers: "),
        (text(pool().workers(2).max_workers(1).build()), "give a pool 2 workers: "),
        (text(pool().spares(5_000).build()), "build a pool with 5000 spares: "),
        (text(pool().name("a\0b").build()), "name workers \"a\\0b\": "),
        (
            text(pool().queue_bound(0, threads::WhenFull::Block).build()),
            "bound a queue to 0 jobs: ",
        ),
        (text(Pool::inline().resize(1)), "resize an inline pool: "),
        (text(name().spawn(|| ())), "name a thread \"a\\0b\": "),
        (
            text(threads::ThreadBuilder::new().name("big").stack_size(usize::MAX).spawn(|| ())),
            "start thread \"big\": ",
        ),
        (text(threads::Queue::<u8>::bounded(0)), "make a queue of capacity 0: "),
        (text(threads::Semaphore::new(usize::MAX)), "make a semaphore of "),
        (text(threads::BoundedSemaphore::new(0)), "make a bounded semaphore of 0 permits: "),
        (text(threads::Barrier::new(0)), "make a barrier for 0 threads: "),
        (
            text(threads::Timer::every(Duration::ZERO, || ())),
            "make a timer with a period of zero: ",
        ),
    ];
    for (text, begins) in texts {
        assert!(text.starts_with(begins) && !text.ends_with('.'), "{text:?}, not {begins:?}");
    }
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
        let ended = catch_unwind(AssertUnwindSafe(|| body(own)));
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

/// One that is run on the spot by its joiner, and waits for that.
#[test]
fn a_job_that_waits_for_a_set_with_its_joiner_panics() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let message = with_own_handle(Some(&pool), move |own| {
            let below = inner.spawn(move || drop(wait([own], WaitFor::All, None))).join();
            let Err(JoinError::Panicked { message, .. }) = below else { panic!("{below:?}") };
            assert!(message.contains("for ever"), "{message}");
        });
        assert_eq!(message.recv().unwrap(), "");
    });
}

#[test]
fn what_a_job_does_to_itself_with_a_limit_ends() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let message = with_own_handle(Some(&pool), |own| {
            let limit = Duration::from_millis(2);
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
