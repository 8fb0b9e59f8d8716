//! The pool without threads.

use crate::support::block_on;
use std::sync::{Arc, Mutex};
use std::thread;
use threads::{AsCompleted, CancelToken, JoinError, Outcome, Pool, Priority, WaitFor, wait};

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
