//! Many jobs of many kinds at once.

use crate::support::in_time;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use threads::{CancelToken, Pool, Queue, WaitFor, blocking, wait};

#[test]
fn jobs_that_spawn_jobs() {
    fn tree(pool: &Arc<Pool>, ran: &Arc<AtomicU64>, depth: u32) {
        ran.fetch_add(1, SeqCst);
        if depth > 0 {
            for _ in 0..2 {
                let (inner, ran) = (Arc::clone(pool), Arc::clone(ran));
                drop(pool.spawn(move || tree(&inner, &ran, depth - 1)));
            }
        }
    }
    in_time(|| {
        for workers in [1, 2, 8] {
            let ran = Arc::new(AtomicU64::new(0));
            let pool = Arc::new(Pool::new(workers).unwrap());
            tree(&pool, &ran, 12);
            crate::support::until("the whole tree has run", || ran.load(SeqCst) == (1 << 13) - 1);
        }
    });
}

#[test]
fn a_tree_of_joins() {
    fn sum(pool: &Arc<Pool>, depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let inner = Arc::clone(pool);
        let left = pool.spawn(move || sum(&inner, depth - 1));
        let right = sum(pool, depth - 1);
        left.join().unwrap() + right
    }
    in_time(|| {
        for workers in [1, 2, 5] {
            let pool = Arc::new(Pool::new(workers).unwrap());
            let inner = Arc::clone(&pool);
            assert_eq!(pool.spawn(move || sum(&inner, 11)).join().unwrap(), 1 << 11);
            assert_eq!(sum(&pool, 8), 1 << 8, "from outside");
        }
    });
}

/// A worker with an endless supply of its own jobs still looks outside.
#[test]
fn the_outside_is_not_starved() {
    fn forever(pool: &Arc<Pool>, stop: &Arc<AtomicU64>) {
        if stop.load(SeqCst) == 0 {
            let (inner, stop) = (Arc::clone(pool), Arc::clone(stop));
            drop(pool.spawn(move || forever(&inner, &stop)));
        }
    }
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let stop = Arc::new(AtomicU64::new(0));
        let (inner, stopped) = (Arc::clone(&pool), Arc::clone(&stop));
        pool.spawn(move || forever(&inner, &stopped)).join().unwrap();
        for _ in 0..10 {
            pool.spawn(|| ()).join().unwrap();
        }
        stop.store(1, SeqCst);
    });
}

/// More workers than processors, and jobs of every kind that wait for each other: they get in
/// each other's way, and none gets stuck.
#[test]
fn twice_as_many_workers_as_processors() {
    fn sum(pool: &Arc<Pool>, depth: u32) -> u64 {
        let inner = Arc::clone(pool);
        match depth {
            0 => 1,
            _ => pool.spawn(move || sum(&inner, depth - 1)).join().unwrap() + sum(pool, depth - 1),
        }
    }
    in_time(|| {
        let processors = thread::available_parallelism().unwrap().get();
        let pool = Arc::new(Pool::new(2 * processors).unwrap());
        let queue = Queue::bounded(2).unwrap();
        for round in 0..20u64 {
            let (inner, put, got) = (Arc::clone(&pool), queue.clone(), queue.clone());
            let getter = pool.spawn(move || (0..50).map(|_| blocking(|| got.get()).unwrap()).sum());
            let putter = pool.spawn(move || {
                (0..50).for_each(|x| blocking(|| put.put(x)).unwrap());
                49 * 25
            });
            let joiner = pool.spawn(move || sum(&inner, 6));
            let inner = Arc::clone(&pool);
            let mapper = pool.spawn(move || {
                let map = inner.map_unordered(|x| x, 0..100).buffer(7);
                map.map(Result::unwrap).sum::<u64>()
            });
            let token = CancelToken::new();
            let cancelled: Vec<_> = (0..50).map(|_| pool.spawn_with(&token, || 0)).collect();
            token.cancel();
            wait(&cancelled, WaitFor::All, None);
            let results = [getter, putter, joiner, mapper].map(|handle| handle.join().unwrap());
            assert_eq!(results, [1_225, 1_225, 64, 4_950], "round {round}");
        }
    });
}

/// Jobs that wait for what the pool cannot see do not make it start threads.
#[test]
fn a_saturated_pool_has_as_many_threads_as_workers() {
    in_time(|| {
        let pool = Pool::builder().workers(4).name("saturated").build().unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let wait = |gate: Arc<std::sync::Mutex<std::sync::mpsc::Receiver<()>>>| {
            let _ = gate.lock().unwrap().recv(); // Ends when the other side is dropped.
        };
        let jobs: Vec<_> = (0..60).map(|_| pool.submit(wait, Arc::clone(&gate))).collect();
        crate::support::until("all workers are busy", || pool.stats().running == 4);
        assert_eq!(pool.stats().queued, 56);
        #[cfg(target_os = "linux")]
        assert_eq!(crate::leaks::count("saturated-"), 4);
        drop(open);
        pool.shutdown();
        assert!(jobs.into_iter().all(|job| job.join().is_ok()));
    });
}
