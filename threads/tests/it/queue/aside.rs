//! A worker that waits for a queue, and has something else to do meanwhile.

use crate::support::in_time;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use threads::{Pool, Queue};

/// A worker waits in a job, and takes part in a broadcast whose part waits for the same queue: the
/// values reach both of them, and whoever else waits.
#[test]
fn a_worker_that_was_told_does_nothing_else() {
    in_time(|| {
        for _ in 0..10 {
            let queue = Queue::<u32>::bounded(64).unwrap();
            let pool = Arc::new(Pool::new(1).unwrap());
            let (go, may_go) = mpsc::channel();
            let job = {
                let queue = queue.clone();
                pool.spawn(move || {
                    // The part comes into the mail meanwhile.
                    may_go.recv().unwrap();
                    let _ = may_go.recv_timeout(Duration::from_millis(20));
                    queue.get().unwrap()
                })
            };
            let (part, parts) = mpsc::sync_channel(1);
            let caster = {
                let (pool, queue) = (Arc::clone(&pool), queue.clone());
                thread::spawn(move || {
                    go.send(()).unwrap();
                    pool.broadcast(|_| {
                        part.send(()).unwrap();
                        queue.get().unwrap();
                    });
                })
            };
            // As a rule it runs now, while the job is in line.
            let _ = parts.recv_timeout(Duration::from_millis(500));
            let other = {
                let queue = queue.clone();
                thread::spawn(move || queue.get().unwrap())
            };
            (0..3).for_each(|value| queue.put(value).unwrap());
            job.join().unwrap();
            caster.join().unwrap();
            other.join().unwrap();
        }
    });
}
