//! Dropping pools, handles and sets while there is work.

use crate::support::{Counted, Gate, in_time};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use threads::{Pool, as_completed};

#[test]
fn the_last_owner_of_a_pool_may_be_its_own_job() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let gate = Gate::occupy(&pool);
        let own = Arc::clone(&pool);
        let (send, last) = std::sync::mpsc::channel();
        let queued_later = pool.spawn(move || {
            let after = own.spawn(|| 2);
            send.send(after).unwrap();
            assert_eq!(Arc::strong_count(&own), 1);
            drop(own);
            1
        });
        let Gate { opener: open, job } = gate;
        drop(pool);
        drop(open);
        job.join().unwrap();
        assert_eq!(queued_later.join().unwrap(), 1);
        assert_eq!(last.recv().unwrap().join().unwrap(), 2, "what was queued is still run");
    });
}

#[test]
fn every_closure_and_result_is_dropped_once() {
    const JOBS: usize = 1_000;
    in_time(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let pool = Pool::new(2).unwrap();
        for job in 0..JOBS {
            let (captured, result) = (Counted(Arc::clone(&drops)), Counted(Arc::clone(&drops)));
            let handle = pool.spawn(move || {
                drop(captured);
                result
            });
            match job % 4 {
                0 => drop(handle.join()),
                1 => drop(handle.cancel()),
                2 => drop(as_completed([handle])),
                _ => drop(handle),
            }
        }
        pool.shutdown();
        assert_eq!(drops.load(SeqCst), 2 * JOBS);
    });
}
