//! Many things at once, for as long as a test may take.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use evented::{Reactor, block_on, blocking, join_all, sleep, spawn, timeout, yield_now};

use crate::support::bounded;

/// Marsaglia's xorshift64.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Counts itself out when dropped.
struct Alive(Rc<Cell<i64>>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn random_cancels_keep_every_count() {
    block_on(bounded(async {
        let alive = Rc::new(Cell::new(0_i64));
        let mut state = 0x1234_5678_9ABC_DEF1;
        let mut kept = Vec::new();
        for _ in 0..20_000 {
            alive.set(alive.get() + 1);
            let guard = Alive(Rc::clone(&alive));
            let steps = next(&mut state) % 6;
            let task = spawn(async move {
                let _guard = guard;
                for step in 0..steps {
                    if step % 2 == 0 {
                        yield_now().await;
                    } else {
                        sleep(Duration::from_micros(step * 20)).await;
                    }
                }
                steps
            });
            match next(&mut state) % 4 {
                0 => drop(task),
                1 => task.detach(),
                2 => drop(timeout(Duration::from_micros(30), task).await),
                _ => kept.push((steps, task)),
            }
        }
        for (steps, task) in kept {
            assert_eq!(task.await.unwrap(), steps);
        }
        crate::support::until(|| evented::stats().tasks == 0).await;
        assert_eq!(alive.get(), 0);
        assert_eq!(evented::stats().timers, 1, "only the bound of this test is left");
    }));
}

#[test]
fn five_thousand_calls_on_the_pool() {
    let reactor = Reactor::builder().blocking_threads(3).blocking_queue(8).build().unwrap();
    reactor.block_on(bounded(async {
        let calls =
            (0..5_000_u64).map(|n| spawn(async move { blocking(move || n * 2).await.unwrap() }));
        let results = join_all(calls).await;
        for (n, result) in results.into_iter().enumerate() {
            assert_eq!(result.unwrap(), n as u64 * 2);
        }
        let stats = evented::stats();
        assert!(stats.blocking_threads <= 3, "{stats:?}");
    }));
}

#[test]
fn many_handles_and_one_reactor() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let threads: Vec<_> = (0..4_u64)
        .map(|t| {
            std::thread::spawn(move || {
                (0..500)
                    .map(|n| handle.spawn(move || async move { t + n }).join().unwrap())
                    .sum::<u64>()
            })
        })
        .collect();
    let waiter = std::thread::spawn(move || {
        let sum: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        handle.shutdown().unwrap();
        sum
    });
    reactor.run();
    assert_eq!(waiter.join().unwrap(), 4 * (0..500).sum::<u64>() + 500 * 6);
}
