//! Values of workers.

use crate::support::in_time;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use threads::Pool;

#[test]
fn each_worker_has_a_value_of_its_own() {
    in_time(|| {
        let pool = Pool::new(3).unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let values = pool.worker_local(move || (count.fetch_add(1, SeqCst), 0));
        assert_eq!(made.load(SeqCst), 0, "made when needed");
        for _ in 0..10 {
            let meet = Arc::new(Barrier::new(3));
            let jobs: Vec<_> = (0..3)
                .map(|_| {
                    let (values, meet) = (values.clone(), Arc::clone(&meet));
                    pool.spawn(move || {
                        values.with(|(_, uses)| {
                            meet.wait(); // All three are in use.
                            *uses += 1;
                        });
                    })
                })
                .collect();
            for job in jobs {
                job.join().unwrap();
            }
        }
        let mut all = values.take_all();
        all.sort_unstable();
        assert_eq!(all, [(0, 10), (1, 10), (2, 10)]);
        assert!(values.take_all().is_empty());
    });
}

#[test]
fn nested_uses_get_different_values() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let values = pool.worker_local(Vec::<u32>::new);
        let (inner, outer) = (Arc::clone(&pool), values.clone());
        let job = pool.spawn(move || {
            let again = outer.clone();
            outer.with(|mine| {
                mine.push(1);
                let below = inner.spawn(move || again.with(|other| other.push(2)));
                below.join().unwrap(); // Run on the spot, on the same worker.
                assert_eq!(mine.len(), 1);
            });
        });
        job.join().unwrap();
        let mut all = values.take_all();
        all.sort_unstable();
        assert_eq!(all, [vec![1], vec![2]]);
    });
}

#[test]
fn a_panic_drops_the_value() {
    let pool = Pool::new(1).unwrap();
    let values = pool.worker_local(|| 0);
    let (first, second) = (values.clone(), values.clone());
    let half = pool.spawn(move || {
        first.with(|x| {
            *x = 1;
            panic!("half done");
        });
    });
    assert!(half.join().is_err());
    assert_eq!(pool.spawn(move || second.with(|x| *x)).join().unwrap(), 0);
    assert_eq!(values.with(|x| *x + 5), 5, "a thread that is no worker gets one, too");
}

#[test]
fn workers_know_their_number() {
    let pool = Arc::new(Pool::new(2).unwrap());
    let other = Pool::new(1).unwrap();
    assert_eq!(pool.current_worker(), None);
    let inner = Arc::clone(&pool);
    assert!(pool.spawn(move || inner.current_worker().unwrap() < 2).join().unwrap());
    assert_eq!(other.spawn(move || pool.current_worker()).join().unwrap(), None);
}
