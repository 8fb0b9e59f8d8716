//! Results counted where they happen, by any number of threads.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{Digest, Outcome, Output, lane::Failed};

/// Shards, so that few threads meet in one.
const SHARDS: usize = 16;

/// An [`Outcome`] that tasks add to themselves, for lanes whose tasks give nothing back to whoever
/// started them.
#[derive(Debug, Default)]
pub struct Tally {
    /// Parts of the digest.
    shards: [Shard; SHARDS],
    /// Tasks that gave nothing.
    failed: Mutex<Vec<Failed>>,
}

/// A part of the digest, apart from the others in the caches of the processors.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// See [`Digest`].
    count: AtomicU64,
    /// See [`Digest`].
    sum: AtomicU64,
    /// See [`Digest`].
    xor: AtomicU64,
}

impl Tally {
    /// Takes what task `index` gave back.
    pub fn take<E: ToString>(&self, index: u64, result: Result<Output, E>) {
        let output = match result {
            Ok(output) => output,
            Err(error) => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push(Failed { task: index, why: error.to_string() });
                return;
            }
        };
        let mut digest = Digest::default();
        digest.add(index, &output);
        let shard = &self.shards[my_shard()];
        // Nothing is published with them: whoever reads them has waited for the tasks.
        shard.count.fetch_add(digest.count, Ordering::Relaxed);
        shard.sum.fetch_add(digest.sum, Ordering::Relaxed);
        shard.xor.fetch_xor(digest.xor, Ordering::Relaxed);
    }

    /// What was taken, where each task was one unit. All tasks must have been waited for.
    pub fn outcome(&self) -> Outcome {
        let mut digest = Digest::default();
        for shard in &self.shards {
            digest.merge(Digest {
                count: shard.count.load(Ordering::Relaxed),
                sum: shard.sum.load(Ordering::Relaxed),
                xor: shard.xor.load(Ordering::Relaxed),
            });
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Outcome { digest, units: digest.count + failed.len() as u64, failed }
    }
}

/// The shard of the calling thread.
fn my_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        /// None: it has none yet.
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    MINE.with(|mine| {
        let number = mine.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        mine.set(Some(number));
        number
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn many_threads_make_the_same_outcome_as_one() {
        let tally = Tally::default();
        thread::scope(|scope| {
            for start in 0..20 {
                let tally = &tally;
                scope.spawn(move || {
                    for index in (start..1_000).step_by(20) {
                        let failed = index == 77;
                        let result =
                            if failed { Err("77") } else { Ok(Output::Word(index * index)) };
                        tally.take(index, result);
                    }
                });
            }
        });
        let mut digest = Digest::default();
        for index in (0..1_000).filter(|index| *index != 77) {
            digest.add(index, &Output::Word(index * index));
        }
        let failed = vec![Failed { task: 77, why: "77".into() }];
        assert_eq!(tally.outcome(), Outcome { digest, units: 1_000, failed });
    }
}
