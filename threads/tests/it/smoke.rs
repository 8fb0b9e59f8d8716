//! The everyday use of each part.

use crate::support::in_time;
use std::io::ErrorKind;
use threads::{JoinError, Lock, MAX_WORKERS, Pool, Queue};

#[test]
fn a_job_returns_its_result() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.workers(), 2);
    assert_eq!(pool.spawn(|| 6 * 7).join().unwrap(), 42);
    assert_eq!(pool.submit(|x: u32| x + 1, 1).join().unwrap(), 2);
}

#[test]
fn workers_are_named() {
    let pool = Pool::builder().workers(1).name("hasher").build().unwrap();
    let name = pool.spawn(|| std::thread::current().name().map(str::to_owned)).join().unwrap();
    assert_eq!(name.as_deref(), Some("hasher-0"));
    let pool = Pool::new(1).unwrap();
    let name = pool.spawn(|| std::thread::current().name().map(str::to_owned)).join().unwrap();
    assert_eq!(name.as_deref(), Some("worker-0"));
}

#[test]
fn what_cannot_be_built_is_refused_with_advice() {
    for (builder, advice) in [
        (Pool::builder().workers(0), "at least 1"),
        (Pool::builder().workers(MAX_WORKERS + 1), "the most is 4096"),
        (Pool::builder().workers(usize::MAX), "the most is 4096"),
        (Pool::builder().workers(1).name("a\0b"), "NUL"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(advice), "{error}");
    }
    assert_eq!(Queue::<u8>::bounded(0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// The body of the swap test, as far as this crate can check it alone.
#[test]
fn the_shared_subset() {
    fn work((queue, total, i): (Queue<u64>, Lock<u64>, u64)) -> u64 {
        *total.lock().unwrap() += i;
        queue.put(i * i).unwrap();
        i
    }
    threads::init();
    in_time(|| {
        let pool = Pool::builder().workers(2).build().unwrap();
        let queue = Queue::bounded(16).unwrap();
        let total = Lock::new(0u64).unwrap();
        let handles: Vec<_> =
            (0..4u64).map(|i| pool.submit(work, (queue.clone(), total.clone(), i))).collect();
        let joined: Result<Vec<u64>, JoinError> =
            handles.into_iter().map(threads::JoinHandle::join).collect();
        assert_eq!(joined.unwrap(), [0, 1, 2, 3]);
        let doubled: Result<Vec<u64>, _> = pool.map(|x| x * 2, 0..4u64).collect();
        assert_eq!(doubled.unwrap(), [0, 2, 4, 6]);
        assert_eq!(*total.lock().unwrap(), 6);
        assert_eq!(queue.len(), 4);
        assert_eq!(threads::spawn(|x: u64| x + 1, 5).unwrap().join().unwrap(), 6);
    });
}

#[test]
fn debug_is_never_empty() {
    let pool = Pool::new(1).unwrap();
    assert!(format!("{pool:?}").contains("workers: 1"));
    let handle = pool.spawn(|| 1);
    assert!(handle.wait_timeout(crate::support::LIMIT));
    assert_eq!(format!("{handle:?}"), r#"JoinHandle { job: "finished", .. }"#);
    let queue = Queue::<u8>::bounded(3).unwrap();
    queue.put(1).unwrap();
    assert!(format!("{queue:?}").contains("capacity: 3, len: 1"));
    let lock = Lock::new(7).unwrap();
    assert!(format!("{lock:?}").contains("value: 7"));
    let guard = lock.lock().unwrap();
    assert!(format!("{lock:?}").contains("<locked>"));
    assert_eq!(format!("{guard:?} {guard}"), "7 7");
    assert!(format!("{:?}", pool.map(|x: u8| x, [1])).contains("buffer: 16"));
}

/// No name of this crate hides a crate that is used beside it: with a `threads::rayon`, this would
/// be ambiguous.
mod beside_rayon {
    use rayon::cmp::max;
    use threads::*;

    #[test]
    fn names_of_both_can_be_used() {
        assert_eq!(max(par_map(0..3, |x: i32| x).len(), 2), 3);
    }
}
