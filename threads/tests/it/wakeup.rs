//! No wake-up is lost.

use crate::support::{LIMIT, in_time, rounds, until};
use std::sync::{Arc, Barrier, mpsc};
use threads::Pool;

/// The same with more than one word of sleepers.
#[test]
fn submits_to_a_large_pool() {
    let pool = Pool::new(100).unwrap();
    for x in 0..rounds(2_000, 20_000) {
        let result = pool.submit(|x| x, x).join_timeout(LIMIT);
        assert_eq!(result.expect("a worker was woken").unwrap(), x);
    }
}

/// Every worker can be reached: each of these jobs needs all the others to run.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    in_time(|| {
        for workers in [2, 3, 70] {
            let pool = Pool::new(workers).unwrap();
            for _ in 0..50 {
                let meet = Arc::new(Barrier::new(workers));
                let wait = |meet: Arc<Barrier>| meet.wait().is_leader();
                let jobs: Vec<_> =
                    (0..workers).map(|_| pool.submit(wait, Arc::clone(&meet))).collect();
                for job in jobs {
                    job.join().unwrap();
                }
            }
        }
    });
}

#[test]
fn a_job_blocks_on_a_channel_for_a_job_it_spawned() {
    in_time(|| {
        let pool = Arc::new(Pool::new(2).unwrap());
        for x in 0..rounds(2_000, 20_000) {
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                let (send, receive) = mpsc::channel();
                drop(inner.spawn(move || send.send(x).unwrap()));
                receive.recv().unwrap()
            });
            assert_eq!(outer.join().unwrap(), x);
        }
    });
}

/// The same for a whole batch: one job waits for all that came after it, which the
/// worker that runs it may have taken along from the injector.
#[test]
fn a_job_blocks_on_a_channel_for_jobs_behind_it() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for _ in 0..2_000 {
            let (send, receive) = mpsc::channel();
            let first = pool.spawn(move || receive.iter().count());
            let jobs = (0..20).map(|x| (send.clone(), x));
            for (send, x) in jobs.collect::<Vec<_>>() {
                drop(pool.spawn(move || send.send(x).unwrap()));
            }
            drop(send);
            assert_eq!(first.join().unwrap(), 20);
        }
    });
}

#[test]
fn park_tokens_of_jobs_do_no_harm() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for x in 0..5_000u32 {
            let job = pool.spawn(move || {
                // Leaves a token on every second worker, and uses one up on the others.
                std::thread::current().unpark();
                if x.is_multiple_of(2) {
                    std::thread::park();
                }
                x
            });
            assert_eq!(job.join().unwrap(), x);
        }
    });
}

#[test]
fn an_idle_pool_sleeps() {
    let pool = Pool::builder().workers(4).name("idle-check").build().unwrap();
    pool.spawn(|| ()).join().unwrap();
    until("every worker sleeps", || pool.stats().parks >= 4);
    #[cfg(target_os = "linux")]
    until("no worker thread is runnable", || crate::leaks::sleeping("idle-check-") == 4);
}
