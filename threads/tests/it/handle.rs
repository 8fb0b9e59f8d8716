//! Joining, time limits, cancelling, and handles as futures.

use crate::support::{Gate, LIMIT, block_on, in_time, until};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use threads::{AsCompleted, JoinError, Pool, as_completed};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_time_limit_gives_the_handle_back() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.spawn(|| 7);
    assert!(!handle.wait_timeout(SHORT));
    assert!(!handle.is_finished());
    let handle = handle.join_timeout(SHORT).unwrap_err();
    gate.open().join().unwrap();
    assert_eq!(handle.join_timeout(LIMIT).unwrap().unwrap(), 7);
}

#[test]
fn a_limit_beyond_the_clock_is_no_limit() {
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.spawn(|| 7).join_timeout(Duration::MAX).unwrap().unwrap(), 7);
}

#[test]
fn several_threads_wait_for_one_job() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.spawn(|| 7);
    let waiting = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                waiting.wait();
                assert!(handle.wait_timeout(LIMIT));
            });
        }
        waiting.wait();
        gate.open().join().unwrap();
    });
    assert_eq!(handle.join().unwrap(), 7);
}

#[test]
fn a_queued_job_is_cancelled_and_never_runs() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let handle = pool.spawn(move || ran.store(true, SeqCst));
    assert!(handle.cancel());
    assert_eq!(Arc::strong_count(&seen), 1, "the closure is dropped at once");
    assert!(!handle.cancel(), "only once");
    assert!(handle.is_finished());
    assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    assert_eq!((pool.stats().cancelled, pool.stats().queued), (1, 0));
    gate.open().join().unwrap();
    pool.shutdown();
    assert!(!seen.load(SeqCst));
}

#[test]
fn a_running_or_finished_job_is_not_cancelled() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    assert!(!gate.job.cancel());
    let job = gate.open();
    assert!(job.wait_timeout(LIMIT));
    assert!(!job.cancel());
    job.join().unwrap();
}

#[test]
fn cancelling_wakes_a_thread_that_joins() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.spawn(|| ());
    thread::scope(|scope| {
        let waits = scope.spawn(|| handle.wait_timeout(LIMIT));
        assert!(handle.cancel());
        assert!(waits.join().unwrap());
    });
    gate.open().join().unwrap();
}

#[test]
fn each_job_runs_or_is_cancelled_exactly_once() {
    const JOBS: usize = 20_000;
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let runs: Arc<Vec<AtomicUsize>> =
            Arc::new((0..JOBS).map(|_| AtomicUsize::new(0)).collect());
        let (send, handles) = mpsc::channel();
        let rival = thread::spawn(move || {
            let cancel = |handle: threads::JoinHandle<_>| (handle.cancel(), handle);
            handles.iter().map(cancel).collect::<Vec<_>>()
        });
        for job in 0..JOBS {
            let runs = Arc::clone(&runs);
            send.send(pool.spawn(move || runs[job].fetch_add(1, SeqCst))).unwrap();
        }
        drop(send);
        let mut cancelled = 0;
        for (job, (was_cancelled, handle)) in rival.join().unwrap().into_iter().enumerate() {
            match handle.join() {
                Ok(earlier) => assert!(earlier == 0 && !was_cancelled),
                Err(JoinError::Cancelled) => assert!(was_cancelled),
                Err(other) => panic!("{other}"),
            }
            assert_eq!(runs[job].load(SeqCst), usize::from(!was_cancelled));
            cancelled += u64::from(was_cancelled);
        }
        let stats = pool.stats();
        assert_eq!((stats.cancelled, stats.done), (cancelled, JOBS as u64 - cancelled));
    });
}

#[test]
fn a_handle_is_a_future() {
    let pool = Pool::new(1).unwrap();
    for x in 0..1_000 {
        assert_eq!(block_on(pool.submit(|x| x, x)).unwrap(), x);
    }
    let gate = Gate::occupy(&pool);
    let handle = pool.spawn(|| 1);
    handle.cancel();
    assert!(matches!(block_on(handle), Err(JoinError::Cancelled)));
    assert!(matches!(block_on(pool_panic(gate, &pool)), Err(JoinError::Panicked { .. })));
}

/// A job that panics after it has been polled once.
fn pool_panic(gate: Gate, pool: &Pool) -> threads::JoinHandle<()> {
    let mut handle = pool.spawn(|| panic!("polled"));
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    gate.open().join().unwrap();
    handle
}

#[test]
fn polling_again_after_ready_panics() {
    let pool = Pool::new(1).unwrap();
    let mut handle = pool.spawn(|| 1);
    assert_eq!(block_on(&mut handle).unwrap(), 1);
    assert!(handle.is_finished());
    let again = std::panic::catch_unwind(move || handle.join());
    let message = *again.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("already taken"), "{message}");
}

#[test]
fn a_late_poll_is_ready_at_once() {
    let pool = Pool::new(1).unwrap();
    let mut handle = pool.spawn(|| 1);
    assert!(handle.wait_timeout(LIMIT));
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(1))));
}

#[test]
fn joining_inside_a_pool_of_one_worker_runs_the_job_on_the_spot() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let depth = pool.spawn(move || {
            fn nested(pool: &Arc<Pool>, depth: u32) -> u32 {
                if depth == 0 {
                    return 0;
                }
                let inner = Arc::clone(pool);
                1 + pool.spawn(move || nested(&inner, depth - 1)).join().unwrap()
            }
            nested(&inner, 50)
        });
        assert_eq!(depth.join().unwrap(), 50);
    });
}

#[test]
fn joining_inside_a_worker_runs_no_other_job() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let outer = pool.spawn(move || {
            let other = inner.spawn(|| thread::current().id());
            assert_eq!(inner.spawn(|| 5).join().unwrap(), 5);
            assert!(!other.is_finished(), "the older job was not touched");
            other
        });
        outer.join().unwrap().join().unwrap();
    });
}

#[test]
fn joining_inside_a_worker_waits_for_a_job_that_runs_elsewhere() {
    in_time(|| {
        let pool = Arc::new(Pool::new(2).unwrap());
        let gate = Gate::occupy(&pool);
        let (give, take) = mpsc::channel();
        let outer = pool.spawn(move || {
            let elsewhere: threads::JoinHandle<()> = take.recv().unwrap();
            elsewhere.join().unwrap();
        });
        until("both workers are busy", || pool.stats().running == 2);
        // The gate's job is running: the other worker can only block.
        let Gate { open, job } = gate;
        give.send(job).unwrap();
        drop(open);
        outer.join().unwrap();
    });
}

#[test]
fn completion_order_with_keys() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::occupy(&pool);
    let Gate { open, job } = gate;
    let mut set = AsCompleted::new();
    set.push(10, job);
    set.push(11, pool.spawn(|| ()));
    assert_eq!(set.len(), 2);
    assert!(matches!(set.next(), Some((11, Ok(())))));
    assert!(set.next_timeout(SHORT).is_none());
    assert!(!set.is_empty());
    drop(open);
    assert!(matches!(set.next_timeout(LIMIT), Some((10, Ok(())))));
    assert!(set.next().is_none());
    set.push(12, pool.spawn(|| panic!("twelve")));
    assert!(matches!(set.next(), Some((12, Err(JoinError::Panicked { .. })))));
    assert!(set.is_empty() && set.next_timeout(LIMIT).is_none());
}

#[test]
fn completion_inside_a_pool_of_one_worker() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let sum = pool.spawn(move || {
            let handles = (0..10u64).map(|x| inner.submit(|x| x, x));
            as_completed(handles.collect::<Vec<_>>()).map(|(_, x)| x.unwrap()).sum::<u64>()
        });
        assert_eq!(sum.join().unwrap(), 45);
    });
}

#[test]
fn whether_a_job_runs() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let (behind, cancelled) = (pool.spawn(|| ()), pool.spawn(|| ()));
    let states = |job: &threads::JoinHandle<()>| (job.is_running(), job.is_finished());
    cancelled.cancel();
    assert_eq!(states(&gate.job), (true, false));
    assert_eq!(states(&behind), (false, false));
    assert_eq!(states(&cancelled), (false, true));
    gate.open().join().unwrap();
    assert!(behind.wait_timeout(LIMIT));
    assert_eq!(states(&behind), (false, true));
}

/// A token ends the wait of a thread that has given its handle away to `join`.
#[test]
fn a_token_wakes_a_thread_that_joins() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        for _ in 0..200 {
            let token = threads::CancelToken::new();
            let behind = pool.spawn_with(&token, || ());
            thread::scope(|scope| {
                let joins = scope.spawn(|| behind.join());
                token.cancel();
                assert!(matches!(joins.join().unwrap(), Err(JoinError::Cancelled)));
            });
        }
        gate.open().join().unwrap();
    });
}
