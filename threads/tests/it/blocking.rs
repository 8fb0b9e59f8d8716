//! Workers that wait, and those that take their place.

use crate::support::{Gate, LIMIT, in_time, until};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};
use threads::{
    BoundedSemaphore, CancelToken, Condition, Event, JoinHandle, Latch, Lock, Pool, Queue,
    Semaphore, Timer, WaitFor, as_completed, blocking, wait,
};

#[test]
fn a_pool_whose_workers_all_block_moves_on() {
    in_time(|| {
        for workers in [1, 2, 3] {
            let pool = Arc::new(Pool::new(workers).unwrap());
            let outer: Vec<_> = (0..20u32)
                .map(|x| {
                    let inner = Arc::clone(&pool);
                    pool.spawn(move || {
                        let (send, receive) = mpsc::channel();
                        drop(inner.spawn(move || send.send(x).unwrap()));
                        blocking(|| receive.recv().unwrap())
                    })
                })
                .collect();
            assert!(outer.into_iter().map(|job| job.join().unwrap()).eq(0..20));
        }
    });
}

/// Twenty jobs that each wait for all the others, on two workers.
#[test]
fn as_many_jobs_block_as_there_are_seats_and_spares() {
    in_time(|| {
        let pool = Pool::builder().workers(2).spares(18).build().unwrap();
        let meet = Arc::new(Barrier::new(20));
        let wait = |meet: Arc<Barrier>| blocking(|| meet.wait().is_leader());
        for _ in 0..20 {
            let jobs: Vec<_> = (0..20).map(|_| pool.submit(wait, Arc::clone(&meet))).collect();
            let leaders = jobs.into_iter().map(|job| job.join().unwrap());
            assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
        }
        until("all have come back", || pool.stats().aside == 0);
    });
}

#[test]
fn spares_are_bounded() {
    in_time(|| {
        let pool = Pool::builder().workers(1).spares(2).build().unwrap();
        let gates: Vec<_> = (0..3).map(|_| blocked(&pool)).collect();
        let behind = pool.spawn(|| 1);
        assert_eq!(pool.stats().aside, 3);
        assert!(!behind.wait_timeout(Duration::from_millis(20)), "nobody is left to run it");
        drop(gates);
        assert_eq!(behind.join().unwrap(), 1);
    });
}

/// A job that is inside of `blocking` until the sender is dropped.
fn blocked(pool: &Pool) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let (inside, entered) = mpsc::channel();
    let job = pool.spawn(move || {
        blocking(|| {
            inside.send(()).unwrap();
            let _ = gate.recv(); // Ends when the gate is dropped.
        });
    });
    entered.recv_timeout(LIMIT).unwrap();
    (open, job)
}

#[test]
fn a_panic_inside_gives_the_seat_back() {
    in_time(|| {
        let pool = Pool::builder().workers(1).spares(1).build().unwrap();
        for _ in 0..20 {
            assert!(pool.spawn(|| blocking(|| panic!("inside"))).join().is_err());
        }
        until("nobody is aside", || pool.stats().aside == 0);
        assert_eq!(pool.spawn(|| blocking(|| blocking(|| 7))).join().unwrap(), 7);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_spare_retires_afterwards() {
    in_time(|| {
        let pool = Pool::builder().workers(2).name("spare-check").build().unwrap();
        let blocked: Vec<_> = (0..10).map(|_| blocked(&pool)).collect();
        // A thread takes its name when it begins.
        until("spares have come for all", || crate::leaks::count("spare-check-") == 12);
        for (open, job) in blocked {
            drop(open);
            job.join().unwrap();
        }
        until("only the workers are left", || crate::leaks::count("spare-check-") == 2);
        assert_eq!(pool.workers(), 2);
        pool.spawn(|| ()).join().unwrap();
    });
}

/// No more jobs at a time than seats, in spite of workers that come and go.
#[test]
fn no_more_jobs_run_than_there_are_seats() {
    in_time(|| {
        let pool = Pool::builder().workers(1).build().unwrap();
        for _ in 0..200 {
            let (open, job) = blocked(&pool);
            let second = Gate::occupy(&pool); // By the spare.
            let third = pool.spawn(|| ());
            assert!(!third.wait_timeout(Duration::ZERO), "both are taken");
            drop(open);
            job.join().unwrap();
            second.open().join().unwrap();
            third.join().unwrap();
        }
    });
}

#[test]
fn waiting_for_handles_steps_aside_by_itself() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        for kind in 0..5 {
            // The job that is waited for runs already, and waits for one behind it.
            let (open, gate) = mpsc::channel::<()>();
            let (started, running) = mpsc::channel();
            let slow = pool.spawn(move || {
                started.send(()).unwrap();
                blocking(|| gate.recv()).unwrap_err();
            });
            running.recv().unwrap();
            let waits = pool.spawn(move || match kind {
                0 => slow.join().unwrap(),
                1 => assert!(slow.wait_timeout(LIMIT)),
                2 => assert!(as_completed([slow]).next().is_some()),
                3 => assert_eq!(wait([slow], WaitFor::All, None).0.len(), 1),
                _ => assert_eq!(wait([slow], WaitFor::FirstCompleted, LIMIT).0.len(), 1),
            });
            until("it waits", || pool.stats().aside == 2);
            pool.spawn(move || drop(open)).join().unwrap();
            waits.join().unwrap();
        }
    });
}

/// Each job joins the next. On one stack, they would overflow it.
#[test]
fn a_chain_of_joins_does_not_overflow_the_stack() {
    const JOBS: u32 = 20_000;
    fn next(pool: &Arc<Pool>, left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        let inner = Arc::clone(pool);
        1 + pool.spawn(move || next(&inner, left - 1)).join().unwrap()
    }
    in_time(|| {
        for workers in [1, 2] {
            let pool = Arc::new(Pool::new(workers).unwrap());
            let inner = Arc::clone(&pool);
            assert_eq!(pool.spawn(move || next(&inner, JOBS)).join().unwrap(), JOBS);
        }
    });
}

/// Without spares a chain that is too long is a panic, and no hang.
#[test]
fn a_chain_that_is_too_long_panics() {
    fn next(pool: &Arc<Pool>, left: u32) -> Result<u32, String> {
        if left == 0 {
            return Ok(0);
        }
        let inner = Arc::clone(pool);
        let below = pool.spawn(move || next(&inner, left - 1)).join();
        Ok(1 + below.map_err(|error| error.to_string())??)
    }
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(1).spares(0).build().unwrap());
        let run = |levels| {
            let inner = Arc::clone(&pool);
            pool.spawn(move || next(&inner, levels)).join().unwrap()
        };
        assert_eq!(run(400), Ok(400));
        assert!(run(2_000).unwrap_err().contains("more spares"));
        assert_eq!(run(10), Ok(10));
    });
}

#[test]
fn outside_of_a_pool_it_only_calls() {
    assert_eq!(blocking(|| 1), 1);
    assert_eq!(threads::spawn(|x| blocking(|| x), 2).unwrap().join().unwrap(), 2);
}

#[test]
fn a_wait_with_a_limit_never_runs_the_job() {
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(1).spares(0).build().unwrap());
        let own = Arc::clone(&pool);
        let outer = pool.spawn(move || {
            let inner = own.spawn(|| 1);
            let early = inner.wait_timeout(Duration::from_millis(5));
            (early, inner)
        });
        let (early, inner) = outer.join().unwrap();
        assert!(!early, "nobody was left to run it in time");
        assert_eq!(inner.join().unwrap(), 1);
    });
}

/// The levels below are as many as there can be, but there is nothing to wait for.
#[test]
fn a_finished_job_can_be_joined_at_any_depth() {
    fn descend(pool: &Arc<Pool>, levels: u32, finished: JoinHandle<u32>) -> u32 {
        if levels == 0 {
            return finished.join().unwrap();
        }
        let inner = Arc::clone(pool);
        pool.spawn(move || descend(&inner, levels - 1, finished)).join().unwrap()
    }
    in_time(|| {
        let pool = Pool::builder().workers(1).spares(0).stack_size(64 << 20).build().unwrap();
        let (pool, finished) = (Arc::new(pool), Pool::new(1).unwrap());
        let finished = [pool.spawn(|| 5), finished.spawn(|| 5)];
        for finished in finished {
            assert!(finished.wait_timeout(LIMIT));
            let own = Arc::clone(&pool);
            let outer = pool.spawn(move || descend(&own, 511, finished));
            assert_eq!(outer.join().unwrap(), 5);
        }
    });
}

/// Something that waits, and something that ends the wait.
type Pair = (Box<dyn FnOnce() + Send>, Box<dyn FnOnce() + Send>);

fn pair(waits: impl FnOnce() + Send + 'static, wakes: impl FnOnce() + Send + 'static) -> Pair {
    (Box::new(waits), Box::new(wakes))
}

/// One pair for each kind of wait.
fn kinds() -> Vec<Pair> {
    let event = Event::new().unwrap();
    let limited = event.clone();
    let latch = Latch::new(1).unwrap();
    let semaphore = Semaphore::new(0).unwrap();
    let bounded = BoundedSemaphore::new(1).unwrap();
    bounded.acquire().forget();
    let barrier = threads::Barrier::new(2).unwrap();
    let (lock, condition) = (Lock::new(false).unwrap(), Condition::new().unwrap());
    let get = Queue::unbounded().unwrap();
    let put = Queue::bounded(1).unwrap();
    put.put(1).unwrap();
    let tasks = Queue::unbounded().unwrap();
    tasks.put(1).unwrap();
    let timer = Arc::new(Timer::after(Duration::MAX, || ()).unwrap());
    let token = CancelToken::new();
    let clones = (
        (event.clone(), latch.clone(), semaphore.clone(), bounded.clone(), barrier.clone()),
        (lock.clone(), condition.clone(), get.clone(), put.clone(), tasks.clone()),
        (Arc::clone(&timer), token.clone()),
    );
    let ((event2, latch2, semaphore2, bounded2, barrier2), queues, others) = clones;
    let (lock2, condition2, get2, put2, tasks2) = queues;
    let event3 = event2.clone();
    vec![
        pair(move || event.wait(), move || event2.set()),
        pair(move || assert!(limited.wait_timeout(LIMIT)), move || event3.set()),
        pair(move || latch.wait(), move || assert!(latch2.count_down())),
        pair(move || drop(semaphore.acquire()), move || semaphore2.release(1)),
        pair(move || drop(bounded.acquire()), move || bounded2.release(1).unwrap()),
        pair(
            move || assert!(barrier.wait().is_ok()),
            move || assert!(barrier2.wait_timeout(LIMIT).is_ok()),
        ),
        pair(
            move || {
                let guard = lock.lock().unwrap();
                assert!(*condition.wait_for(guard, |set| *set).unwrap());
            },
            move || {
                *lock2.lock().unwrap() = true;
                condition2.notify_one();
            },
        ),
        pair(move || assert_eq!(get.get(), Ok(2)), move || get2.put(2).unwrap()),
        pair(move || put.put(2).unwrap(), move || assert_eq!(put2.get(), Ok(1))),
        pair(move || tasks.join(), move || tasks2.task_done().unwrap()),
        pair(move || timer.wait(), move || assert!(others.0.cancel())),
        pair(move || token.wait(), move || assert!(others.1.cancel())),
    ]
}

/// The only worker waits for a job behind it, with whatever there is to wait with.
#[test]
fn waits_of_this_crate_step_aside_by_themselves() {
    in_time(|| {
        let start = |(waits, wakes): Pair| {
            let pool = Arc::new(Pool::builder().workers(1).spares(1).build().unwrap());
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                drop(inner.spawn(wakes));
                waits();
            });
            (pool, outer)
        };
        let begun: Vec<_> = kinds().into_iter().map(start).collect();
        let limit = Instant::now() + LIMIT / 2;
        let ends_late = |(_, (_, outer)): &(usize, &(Arc<Pool>, JoinHandle<()>))| {
            !outer.wait_timeout(limit.saturating_duration_since(Instant::now()))
        };
        let late = begun.iter().enumerate().filter(ends_late).map(|(at, _)| at);
        assert_eq!(late.collect::<Vec<_>>(), [], "these waits do not step aside");
        for (pool, outer) in begun {
            outer.join().unwrap();
            until("the worker is back", || pool.stats().aside == 0);
        }
    });
}

/// A time limit holds also for a worker that steps aside.
#[test]
fn limits_hold_on_a_worker() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        for limit in [Duration::ZERO, Duration::from_micros(10), Duration::from_millis(5)] {
            let job = move || {
                let lock = Lock::new(false).unwrap();
                let condition = Condition::new().unwrap();
                let waited = condition.wait_for_timeout(lock.lock().unwrap(), limit, |set| *set);
                assert!(!waited.unwrap().1);
                assert!(!Event::new().unwrap().wait_timeout(limit));
                assert!(!Latch::new(1).unwrap().wait_timeout(limit));
                assert!(Semaphore::new(0).unwrap().acquire_timeout(limit).is_none());
                let barrier = threads::Barrier::new(2).unwrap();
                assert!(barrier.wait_timeout(limit).is_err() && barrier.is_broken());
                let queue = Queue::<u32>::bounded(1).unwrap();
                assert!(queue.get_timeout(limit).is_err());
                queue.put(1).unwrap();
                assert!(queue.put_timeout(2, limit).is_err() && !queue.join_timeout(limit));
            };
            pool.spawn(job).join().unwrap();
        }
    });
}
