//! Waits until so many operations have happened, without costing them much.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread::{self, Thread},
};

/// Counts operations of other threads; the thread that made it waits for the last one.
///
/// An operation costs one addition to a shared counter, the same for every contender.
#[derive(Debug)]
pub struct Countdown {
    /// Operations that have happened.
    count: AtomicU64,
    /// Operations that will have happened when the wait is over.
    total: u64,
    /// Who waits.
    waiter: Thread,
}

impl Countdown {
    /// For so many operations. Lives as long as the program, so that an operation needs nothing but
    /// a reference: a program takes one sample.
    pub fn new(total: u64) -> &'static Self {
        let waiter = thread::current();
        Box::leak(Box::new(Self { count: AtomicU64::new(0), total, waiter }))
    }

    /// An operation has happened.
    pub fn count_one(&self) {
        // Release: what the operation did is seen by whoever has waited.
        if self.count.fetch_add(1, Ordering::Release) + 1 == self.total {
            self.waiter.unpark();
        }
    }

    /// Waits for the last operation; on the thread that made it. Operations that get lost are waited
    /// for until whoever started the program loses patience.
    pub fn wait(&self) {
        while self.count.load(Ordering::Acquire) < self.total {
            thread::park();
        }
    }

    /// How many operations have happened by now.
    pub fn counted(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_last_one() {
        let countdown = Countdown::new(1_000);
        let threads: Vec<_> = (0..4)
            .map(|_| thread::spawn(|| (0..250).for_each(|_| countdown.count_one())))
            .collect();
        countdown.wait();
        assert_eq!(countdown.counted(), 1_000);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
