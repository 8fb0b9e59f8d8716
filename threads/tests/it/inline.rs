//! The pool without threads.

use crate::support::{block_on, in_time};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use threads::{
    AsCompleted, CancelToken, JoinError, Outcome, Pool, Priority, WaitFor, as_completed, wait,
};

#[test]
fn each_job_runs_when_it_is_spawned() {
    let pool = Pool::inline();
    let order = Arc::new(Mutex::new(Vec::new()));
    let here = thread::current().id();
    for x in 0..5 {
        let order = Arc::clone(&order);
        let handle = pool.spawn_with(Priority::Low, move || {
            assert_eq!(thread::current().id(), here);
            order.lock().unwrap().push(x);
        });
        assert!(handle.is_finished());
        assert_eq!(handle.outcome(), Some(Outcome::Returned));
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.done, stats.queued, stats.running), (0, 5, 0, 0));
}

#[test]
fn the_whole_api_works_without_threads() {
    let pool = Arc::new(Pool::inline());
    let inner = Arc::clone(&pool);
    assert_eq!(pool.spawn(move || inner.spawn(|| 1).join().unwrap() + 1).join().unwrap(), 2);
    assert!(pool.map(|x| x, 0..100).map(Result::unwrap).eq(0..100));
    assert!(pool.map_unordered(|x| x, 0..100).map(Result::unwrap).eq(0..100));
    let mut set = AsCompleted::new();
    for key in 0..10 {
        set.push(key, pool.submit(|x| x * 2, key));
    }
    assert!(set.map(|(key, x)| (key, x.unwrap())).eq((0..10).map(|x| (x, 2 * x))));
    let (done, not_done) = wait([pool.spawn(|| 1), pool.spawn(|| 2)], WaitFor::All, None);
    assert_eq!((done.len(), not_done.len()), (2, 0));
    assert_eq!(block_on(pool.spawn(|| 3)).unwrap(), 3);
    let error = pool.spawn(|| panic!("here")).join().unwrap_err();
    assert_eq!(error.to_string(), "job panicked: here");
    assert_eq!(threads::blocking(|| 4), 4);
    assert!(pool.try_spawn(|| 1).is_ok());
    assert!(pool.resize(2).unwrap_err().to_string().contains("inline"));
    let local = pool.worker_local(|| 0);
    for _ in 0..3 {
        let local = local.clone();
        pool.spawn(move || local.with(|x| *x += 1)).join().unwrap();
    }
    assert_eq!(local.take_all(), [3]);
    assert_eq!(Arc::into_inner(pool).unwrap().shutdown_now().count(), 0);
}

#[test]
fn a_map_runs_one_job_at_a_time() {
    let pool = Pool::inline();
    let log = Arc::new(Mutex::new(Vec::new()));
    let ran = Arc::clone(&log);
    let inputs = (0..3).inspect(|x| log.lock().unwrap().push(format!("pull {x}")));
    for x in pool.map(move |x| ran.lock().unwrap().push(format!("run {x}")), inputs) {
        x.unwrap();
        log.lock().unwrap().push("got".to_owned());
    }
    let log = log.lock().unwrap().join(", ");
    assert_eq!(log, "pull 0, run 0, got, pull 1, run 1, got, pull 2, run 2, got");
}

#[test]
fn a_cancelled_token_keeps_jobs_from_running() {
    let pool = Pool::inline();
    let token = CancelToken::new();
    assert_eq!(pool.spawn_with(&token, || 1).join().unwrap(), 1);
    token.cancel();
    assert!(matches!(pool.spawn_with(&token, || 1).join(), Err(JoinError::Cancelled)));
    assert_eq!(pool.stats().cancelled, 1);
}

/// Each job would run on top of the one that spawned it.
#[test]
fn long_chains_do_not_overflow_the_stack() {
    fn link(pool: &Arc<Pool>, left: u32, log: &Arc<Mutex<Vec<u32>>>) {
        log.lock().unwrap().push(left);
        if left > 0 {
            let (inner, log) = (Arc::clone(pool), Arc::clone(log));
            drop(pool.spawn(move || link(&inner, left - 1, &log)));
        }
    }
    in_time(|| {
        let (pool, log) = (Arc::new(Pool::inline()), Arc::default());
        link(&pool, 100_000, &log);
        assert!(log.lock().unwrap().iter().copied().eq((0..=100_000).rev()));
        assert_eq!((pool.stats().done, pool.stats().queued), (100_000, 0));
    });
}

/// However deep the spawning job lies, it can have the result.
#[test]
fn what_is_put_off_runs_when_it_is_waited_for() {
    fn nested(pool: &Arc<Pool>, depth: u32, kind: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let inner = Arc::clone(pool);
        let below = pool.spawn(move || nested(&inner, depth - 1, kind));
        1 + match kind {
            0 => below.join().unwrap(),
            1 => as_completed([below]).next().unwrap().1.unwrap(),
            2 => wait([below], WaitFor::All, None).0.pop().unwrap().join().unwrap(),
            _ => {
                drop(below);
                let inner = Arc::clone(pool);
                let again = move |()| nested(&inner, depth - 1, kind);
                pool.map(again, [()]).next().unwrap().unwrap()
            }
        }
    }
    in_time(|| {
        let pool = Arc::new(Pool::inline());
        for kind in 0..3 {
            assert_eq!(nested(&pool, 300, kind), 300);
        }
        assert_eq!(nested(&pool, 8, 3), 8);
    });
}

#[test]
fn joins_that_are_too_deep_panic() {
    fn nested(pool: &Arc<Pool>, depth: u32) -> Result<u32, String> {
        if depth == 0 {
            return Ok(0);
        }
        let inner = Arc::clone(pool);
        let below = pool.spawn(move || nested(&inner, depth - 1)).join();
        Ok(1 + below.map_err(|error| error.to_string())??)
    }
    in_time(|| {
        let pool = Arc::new(Pool::inline());
        assert_eq!(nested(&pool, 500), Ok(500));
        assert!(nested(&pool, 2_000).unwrap_err().contains("on one stack"));
        assert_eq!(nested(&pool, 10), Ok(10));
    });
}

/// A pool that a deep job ends has done with all jobs then, also with those put off.
#[test]
fn what_is_put_off_does_not_outlive_its_pool() {
    fn nested(pool: &Arc<Pool>, depth: u32, last: Box<dyn FnOnce() + Send>) {
        let inner = Arc::clone(pool);
        if depth == 0 {
            last();
        } else {
            drop(pool.spawn(move || nested(&inner, depth - 1, last)));
        }
    }
    in_time(|| {
        let (tell, told) = mpsc::channel();
        let last = move || {
            let pools = [(); 2].map(|()| Arc::new(Pool::inline()));
            let put_off = pools.each_ref().map(|pool| pool.spawn(|| 5));
            assert!(put_off.iter().all(|handle| !handle.is_finished()));
            let [one, other] = pools.map(|pool| Arc::into_inner(pool).unwrap());
            assert_eq!(one.shutdown_now().count(), 1);
            drop(other);
            tell.send(put_off).unwrap();
        };
        nested(&Arc::new(Pool::inline()), 128, Box::new(last));
        let [cancelled, run] = told.recv().unwrap();
        assert!(matches!(cancelled.join(), Err(JoinError::Cancelled)));
        assert_eq!(run.join().unwrap(), 5);
    });
}

#[test]
fn what_a_job_forks_stays_on_its_thread() {
    let pool = Arc::new(Pool::inline());
    let here = thread::current().id();
    let id = || thread::current().id();
    let inner = Arc::clone(&pool);
    let below = move || inner.spawn(move || threads::broadcast(|_| id())).join().unwrap();
    assert_eq!(pool.spawn(below).join().unwrap(), [here]);
    let order = pool.spawn(move || {
        let order = Mutex::new(Vec::new());
        threads::scope(|scope| {
            for x in 0..5 {
                let order = &order;
                scope.spawn(move || order.lock().unwrap().push(x));
            }
        });
        order.into_inner().unwrap()
    });
    assert_eq!(order.join().unwrap(), [0, 1, 2, 3, 4]);
}
