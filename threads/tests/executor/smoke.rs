//! The everyday use of each part.

use std::io::ErrorKind;

use super::support::in_time;
use crate::executor::model::{JoinError, MAX_WORKERS, Pool};

#[test]
fn a_job_returns_its_result() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.workers(), 2);
    assert_eq!(pool.submit(|x: u32| x + 1, 1).join().unwrap(), 2);
    assert_eq!(pool.submit(|text: String| text.len(), "three".to_owned()).join().unwrap(), 5);
}

#[test]
fn the_default_is_one_worker_per_processor() {
    let expected = std::thread::available_parallelism().unwrap().get();
    assert_eq!(Pool::builder().build().unwrap().workers(), expected);
}

#[test]
fn what_cannot_be_built_is_refused_with_advice() {
    let most = format!("the most is {MAX_WORKERS}");
    for (workers, advice) in [(0, "at least 1"), (MAX_WORKERS + 1, &most), (usize::MAX, &most)] {
        let error = Pool::builder().workers(workers).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(advice), "{error}");
    }
    let error = Pool::builder().workers(1).name("a\0b").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn stats_add_up() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for x in 0..10 {
            let result = pool.submit(|x: u32| assert!(x != 3, "three"), x).join();
            assert_eq!(matches!(result, Err(JoinError::Panicked { .. })), x == 3);
        }
        let stats = pool.stats();
        assert_eq!((stats.workers, stats.done, stats.panicked), (2, 9, 1));
        assert_eq!((stats.queued, stats.running, stats.cancelled), (0, 0, 0));
    });
}

#[test]
fn debug_is_never_empty() {
    let pool = Pool::new(1).unwrap();
    assert!(format!("{pool:?}").contains("workers: 1"));
    let handle = pool.submit(|x: u8| x, 1);
    assert!(handle.wait_timeout(super::support::LIMIT));
    assert!(format!("{handle:?}").contains("finished"), "{handle:?}");
    assert!(format!("{:?}", pool.map(|x: u8| x, [1])).contains("buffer: 16"));
    assert!(format!("{:?}", pool.map_unordered(|x: u8| x, [1])).contains("buffer: 16"));
    assert!(!format!("{:?}", pool.stats()).is_empty());
}

#[test]
fn the_global_pool_is_one() {
    assert!(std::ptr::eq(Pool::global(), Pool::global()));
    assert_eq!(Pool::global().submit(|x: u8| x + 1, 1).join().unwrap(), 2);
}
