//! Time limits of everything that waits, and what is shown of it for debugging.

use crate::support::{Gate, LIMIT, in_time};
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};
use threads::{
    Barrier, BoundedSemaphore, CancelToken, Condition, Event, JoinHandle, Latch, Lock, Pool, Queue,
    ReentrantLock, Semaphore, ThreadBuilder, Timer, WaitFor, as_completed, wait,
};

/// Whether `wait`, called in another thread with a limit, gave up, and not before that.
#[track_caller]
fn keeps(name: &str, wait: impl FnOnce(Duration) -> bool + Send) {
    let limit = Duration::from_millis(20);
    let (gave_up, took) = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let start = Instant::now();
            (wait(limit), start.elapsed())
        });
        thread.join().unwrap()
    });
    assert!(gave_up, "{name}: there was nothing to wait for");
    assert!(took >= limit, "{name}: gave up after {took:?}");
}

#[test]
fn no_wait_of_a_primitive_ends_before_its_limit() {
    in_time(|| {
        let (lock, reentrant) = (Lock::new(()).unwrap(), ReentrantLock::new(()).unwrap());
        let (other, condition) = (Lock::new(()).unwrap(), Condition::new().unwrap());
        let guards = (lock.lock().unwrap(), reentrant.lock());
        keeps("lock", |limit| lock.lock_timeout(limit).is_err());
        keeps("re-entrant lock", |limit| reentrant.lock_timeout(limit).is_none());
        drop(guards);
        keeps("condition", |limit| {
            !condition.wait_timeout(other.lock().unwrap(), limit).unwrap().1
        });
        keeps("condition with a predicate", |limit| {
            !condition.wait_for_timeout(other.lock().unwrap(), limit, |()| false).unwrap().1
        });
        let (semaphore, bounded) = (Semaphore::new(0).unwrap(), BoundedSemaphore::new(1).unwrap());
        let _permit = bounded.acquire();
        keeps("semaphore", |limit| semaphore.acquire_timeout(limit).is_none());
        keeps("bounded semaphore", |limit| bounded.acquire_timeout(limit).is_none());
        let (event, latch) = (Event::new().unwrap(), Latch::new(1).unwrap());
        keeps("event", |limit| !event.wait_timeout(limit));
        keeps("latch", |limit| !latch.wait_timeout(limit));
        keeps("barrier", |limit| Barrier::new(2).unwrap().wait_timeout(limit).is_err());
        let (empty, full) = (Queue::<u8>::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        full.put(1).unwrap();
        keeps("get", |limit| empty.get_timeout(limit).is_err());
        keeps("get of many", |limit| empty.get_many_timeout(2, limit).is_err());
        keeps("put", |limit| full.put_timeout(2, limit).is_err());
        keeps("put of many", |limit| full.put_many_timeout(vec![2, 3], limit).is_err());
        keeps("join of a queue", |limit| !full.join_timeout(limit));
        let timer = Timer::after(LIMIT, || ()).unwrap();
        keeps("timer", |limit| !timer.wait_timeout(limit));
    });
}

#[test]
fn no_wait_for_a_job_ends_before_its_limit() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let Gate { opener: open, job } = Gate::occupy(&pool);
        let job = &job;
        keeps("handle", |limit| !job.wait_timeout(limit));
        keeps("several handles", |limit| wait([job], WaitFor::All, limit).0.is_empty());
        keeps("map", |limit| pool.map(|x| x, [1]).next_timeout(limit).is_err());
        keeps("unordered map", |limit| pool.map_unordered(|x| x, [1]).next_timeout(limit).is_err());
        let behind = pool.spawn(|| ());
        keeps("join", |limit| behind.join_timeout(limit).is_err());
        let mut behind = as_completed([pool.spawn(|| ())]);
        keeps("set", |limit| behind.next_timeout(limit).is_none());
        keeps("token", |limit| !CancelToken::new().wait_timeout(limit));
        let stay = Event::new().unwrap();
        let stays = stay.clone();
        let thread = ThreadBuilder::new().spawn(move || stays.wait_timeout(LIMIT)).unwrap();
        keeps("thread", |limit| !thread.wait_timeout(limit));
        keeps("all threads", |limit| !threads::join_all_timeout(limit));
        stay.set();
        drop(open);
    });
}

#[test]
fn a_limit_beyond_the_clock_is_no_limit() {
    const EVER: Duration = Duration::MAX;
    in_time(|| {
        let lock = &Lock::new(1).unwrap();
        let guard = lock.lock().unwrap();
        thread::scope(|scope| {
            let begun = Event::new().unwrap();
            let begins = begun.clone();
            let waits = scope.spawn(move || {
                begins.set();
                *lock.lock_timeout(EVER).unwrap()
            });
            begun.wait();
            keeps("a pause", |limit| lock.lock_timeout(limit).is_err()); // It waits by now.
            drop(guard);
            assert_eq!(waits.join().unwrap(), 1);
        });
        assert!(ReentrantLock::new(()).unwrap().lock_timeout(EVER).is_some());
        let (event, latch, barrier) =
            (Event::new().unwrap(), Latch::new(1).unwrap(), Barrier::new(2).unwrap());
        thread::scope(|scope| {
            scope.spawn(|| assert!(event.wait_timeout(EVER) && latch.wait_timeout(EVER)));
            scope.spawn(|| assert!(barrier.wait_timeout(EVER).is_ok()));
            event.set();
            latch.count_down();
            assert!(barrier.wait_timeout(EVER).is_ok());
        });
        let queue = Queue::bounded(1).unwrap();
        assert_eq!(queue.put_many_timeout(vec![1], EVER), Ok(()));
        assert_eq!(queue.get_timeout(EVER), Ok(1));
        queue.task_done().unwrap();
        assert!(queue.join_timeout(EVER));
        let pool = Pool::new(1).unwrap();
        assert_eq!(wait([pool.spawn(|| 1)], WaitFor::All, EVER).0.len(), 1);
        assert_eq!(as_completed([pool.spawn(|| 1)]).next_timeout(EVER).unwrap().1.unwrap(), 1);
        assert_eq!(pool.map(|x| x, [1]).next_timeout(EVER).unwrap().unwrap().unwrap(), 1);
        assert!(threads::spawn(|()| (), ()).unwrap().wait_timeout(EVER));
        assert!(Timer::after(Duration::ZERO, || ()).unwrap().wait_timeout(EVER));
    });
}

/// The text for debugging has all of these words.
#[track_caller]
fn shows(value: &dyn Debug, words: &[&str]) {
    let text = format!("{value:?}");
    for word in words {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[test]
fn debug_shows_the_state() {
    let reentrant = ReentrantLock::new(7).unwrap();
    shows(&reentrant, &["ReentrantLock", "value: 7"]);
    let guard = reentrant.lock();
    shows(&guard, &["7"]);
    thread::scope(|scope| {
        scope.spawn(|| shows(&reentrant, &["<locked>"]));
    });
    let event = Event::new().unwrap();
    shows(&event, &["Event", "set: false"]);
    event.set();
    shows(&event, &["set: true"]);
    let (semaphore, bounded) = (Semaphore::new(3).unwrap(), BoundedSemaphore::new(3).unwrap());
    let permits = (semaphore.acquire(), bounded.acquire());
    shows(&semaphore, &["Semaphore", "available: 2"]);
    shows(&bounded, &["BoundedSemaphore", "available: 2"]);
    shows(&permits, &["Permit"]);
    let barrier = Barrier::new(3).unwrap();
    shows(&barrier, &["Barrier", "parties: 3", "n_waiting: 0", "broken: false"]);
    barrier.abort();
    shows(&barrier, &["broken: true"]);
    shows(&Latch::new(4).unwrap(), &["Latch", "count: 4"]);
    shows(&Condition::new().unwrap(), &["Condition"]);
    let timer = Timer::after(LIMIT, || ()).unwrap();
    shows(&timer, &["Timer", "Waiting"]);
    timer.cancel();
    shows(&timer, &["Over"]);
    let thread = ThreadBuilder::new().name("shown").spawn(|| ()).unwrap();
    shows(&thread, &["Thread", "shown"]);
    assert!(thread.wait_timeout(LIMIT));
    shows(&thread, &["finished"]);
}

#[test]
fn debug_of_a_handle_shows_how_far_its_job_is() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let (behind, cancelled) = (pool.spawn(|| ()), pool.spawn(|| ()));
    let shows_job = |handle: &JoinHandle<()>, stage| shows(handle, &[stage]);
    shows_job(&gate.job, "running");
    shows_job(&behind, "queued");
    assert!(cancelled.cancel());
    shows_job(&cancelled, "finished");
    gate.open().join().unwrap();
    assert!(behind.wait_timeout(LIMIT));
    shows_job(&behind, "finished");
}
