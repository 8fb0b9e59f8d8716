//! Dropping pools, handles and sets while there is work.

use super::support::{Gate, count, in_time, total};
use crate::executor::model::{Lock, Pool, as_completed};

#[test]
fn dropping_a_pool_runs_what_is_queued() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::occupy(&pool);
        let ran = Lock::new(0).unwrap();
        for _ in 0..1_000 {
            drop(pool.submit(count, ran.clone()));
        }
        drop(gate.open());
        drop(pool);
        assert_eq!(total(&ran), 1_000);
    });
}

#[test]
fn handles_outlive_their_pool() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.submit(|x: u8| x, 3);
    drop(pool);
    assert!(handle.is_finished() && !handle.is_running());
    assert!(!handle.cancel());
    assert_eq!(handle.join().unwrap(), 3);
}

#[test]
fn dropping_a_handle_or_a_set_detaches() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let ran = Lock::new(0).unwrap();
        drop(pool.submit(count, ran.clone()));
        drop(as_completed([pool.submit(count, ran.clone())]));
        gate.open().join().unwrap();
        pool.shutdown();
        assert_eq!(total(&ran), 2);
    });
}
