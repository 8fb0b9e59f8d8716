//! Priorities, and that nothing starves.

use crate::support::{Gate, LIMIT, in_time};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use threads::{JobOptions, Pool, Priority};

/// The order in which one worker begins jobs of these priorities, queued at once.
fn order(priorities: &[Priority]) -> Vec<Priority> {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let (send, begun) = mpsc::channel();
    for &priority in priorities {
        let send = send.clone();
        drop(pool.spawn_with(priority, move || send.send(priority).unwrap()));
    }
    drop(send);
    gate.open().join().unwrap();
    begun.iter().collect()
}

#[test]
fn high_comes_before_normal_before_low() {
    use Priority::{High, Low, Normal};
    assert_eq!(order(&[Low, Normal, High]), [High, Normal, Low]);
    assert_eq!(order(&[Low, High, Normal, High]), [High, High, Normal, Low]);
    assert_eq!(Priority::default(), Normal);
    assert!(High > Normal && Normal > Low);
}

#[test]
fn high_and_low_are_first_come_first_served() {
    for priority in [Priority::Low, Priority::High] {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let (send, begun) = mpsc::channel();
        for x in 0..200 {
            let send = send.clone();
            drop(pool.spawn_with(JobOptions::from(priority), move || send.send(x).unwrap()));
        }
        drop(send);
        gate.open().join().unwrap();
        assert!(begun.iter().eq(0..200), "{priority:?}");
    }
}

/// The promise of the documentation, for one worker that always has all three.
#[test]
fn nothing_starves_beyond_the_documented_share() {
    const EACH: usize = 500;
    let mut queued = Vec::new();
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        queued.extend([priority; EACH]);
    }
    let begun = order(&queued);
    assert_eq!(begun.len(), 3 * EACH);
    let while_high = begun.iter().rposition(|p| *p == Priority::High).unwrap();
    for block in begun[..while_high].chunks_exact(8) {
        assert!(block.iter().any(|p| *p != Priority::High), "{block:?}");
    }
    for block in begun[..while_high].chunks_exact(61) {
        assert!(block.contains(&Priority::Low), "{block:?}");
        let high = block.iter().filter(|p| **p == Priority::High).count();
        assert!(high >= 50, "and yet high goes first: {high} of 61");
    }
}

/// A job that spawns itself again, until it is told to stop.
fn stream(pool: &Arc<Pool>, priority: Priority, stop: &Arc<AtomicBool>) {
    let (inner, stop) = (Arc::clone(pool), Arc::clone(stop));
    drop(pool.spawn_with(priority, move || {
        if !stop.load(SeqCst) {
            stream(&inner, priority, &stop);
        }
    }));
}

#[test]
fn endless_streams_keep_nobody_waiting() {
    in_time(|| {
        for busy in [Priority::High, Priority::Normal] {
            let pool = Arc::new(Pool::new(2).unwrap());
            let stop = Arc::new(AtomicBool::new(false));
            for _ in 0..8 {
                stream(&pool, busy, &stop);
            }
            for waits in [Priority::Low, Priority::Normal, Priority::High] {
                for x in 0..20 {
                    let job = pool.spawn_with(waits, move || x);
                    assert_eq!(job.join_timeout(LIMIT).expect("it is begun").unwrap(), x);
                }
            }
            stop.store(true, SeqCst);
            drop(pool.spawn(|| ())); // The pool may still be shared by a job of the stream.
        }
    });
}

#[test]
fn all_priorities_from_inside_and_outside_run_once() {
    in_time(|| {
        let pool = Arc::new(Pool::new(3).unwrap());
        let ran = Arc::new(AtomicUsize::new(0));
        let order = [Priority::Low, Priority::High, Priority::Normal];
        let handles = Mutex::new(Vec::new());
        let handles = Arc::new(handles);
        let outer: Vec<_> = (0..300)
            .map(|x| {
                let (inner, ran, handles) =
                    (Arc::clone(&pool), Arc::clone(&ran), Arc::clone(&handles));
                pool.spawn_with(order[x % 3], move || {
                    let job =
                        inner.spawn_with(order[(x / 3) % 3], move || ran.fetch_add(1, SeqCst));
                    handles.lock().unwrap().push(job);
                })
            })
            .collect();
        for job in outer {
            job.join().unwrap();
        }
        let inner = std::mem::take(&mut *handles.lock().unwrap());
        for job in inner {
            job.join().unwrap();
        }
        assert_eq!(ran.load(SeqCst), 300);
        let stats = pool.stats();
        assert_eq!((stats.done, stats.queued, stats.running), (600, 0, 0));
    });
}
