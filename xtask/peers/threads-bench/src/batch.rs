//! Many jobs, and then all of their results.

use std::{ops::Range, sync::mpsc};

use sampler::{Amount, Contender, Cost, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up, pools::ChannelPool};

/// Jobs before the first result is waited for.
const BATCH: u64 = 1_000;

/// The metric. Rayon's nearest relative, the scope, borrows and has no results; the goal that the
/// design sets against it comes with our own scope.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "submit.batch".into(),
        about: format!(
            "{BATCH} jobs from outside of the pool, then the wait for all of their results, batch \
             after batch."
        ),
        unit: "job",
        cost: Cost::Wall,
        amount: Amount::calibrated(BATCH),
        named_only: false,
        baseline: None,
        ours: ours(workers),
        peers: vec![
            with_channel::<rayon::ThreadPool>(workers).peer(),
            rayon_scope(workers).peer(),
            with_channel::<threadpool::ThreadPool>(workers).peer(),
            with_channel::<ChannelPool>(workers).peer(),
        ],
    }
}

/// A handle for each job.
fn ours(workers: usize) -> Contender {
    Contender::new(threads::Pool::NAME, move |units| {
        let pool = threads::Pool::start(workers);
        warm_up(&pool);
        sample(units, |numbers| {
            let handles: Vec<_> = numbers.map(|x| pool.submit(same, x)).collect();
            handles.into_iter().map(|handle| handle.join().expect("no job panics")).collect()
        })
    })
}

/// One channel for the results of a batch.
fn with_channel<P: Executor>(workers: usize) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = P::start(workers);
        warm_up(&pool);
        sample(units, |numbers| {
            let (send, receive) = mpsc::channel();
            for x in numbers {
                let send = send.clone();
                pool.execute(move || send.send(same(x)).expect("somebody waits for the results"));
            }
            drop(send);
            receive.into_iter().collect()
        })
    })
}

/// A place for the result of each job, which jobs of a scope may borrow.
fn rayon_scope(workers: usize) -> Contender {
    Contender::new("rayon-scope", move |units| {
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        sample(units, |numbers| {
            let mut places: Vec<(u64, u64)> = numbers.map(|x| (x, 0)).collect();
            pool.in_place_scope(|scope| {
                for (x, result) in &mut places {
                    scope.spawn(move |_| *result = same(*x));
                }
            });
            places.into_iter().map(|(_, result)| result).collect()
        })
    })
}

/// The job.
fn same(x: u64) -> u64 {
    x
}

/// So many jobs in batches.
fn sample(units: u64, run: impl Fn(Range<u64>) -> Tally) -> Sample {
    let watch = Stopwatch::start();
    let mut found = Tally::default();
    let mut begun = 0;
    while begun < units {
        let end = units.min(begun + BATCH);
        found = found.plus(run(begun..end));
        begun = end;
    }
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
