//! Dropping handles and pools.

use processes::{Pool, Queue};

use crate::support::soon;

#[test]
fn dropping_a_handle_detaches_the_call() {
    let pool = Pool::new(1).unwrap();
    let queue = Queue::bounded(4).unwrap();
    drop(pool.submit(|queue: Queue<u32>| queue.put(8).unwrap(), queue.clone()));
    assert_eq!(soon(&queue), 8);
}

#[test]
fn a_handle_outlives_its_pool() {
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(|x: u8| x, 3);
    drop(pool);
    assert!(!call.cancel());
    assert!(!call.kill());
    assert_eq!(call.pid(), None);
    assert_eq!(call.join().unwrap(), 3);
}

#[test]
fn dropping_a_pool_at_once_is_fine() {
    for _ in 0..5 {
        drop(Pool::new(2).unwrap());
    }
}
