//! A closure that is called within the pool by a thread outside of it, which waits for the result.

use std::hint::black_box;

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up, join::chili_pool};

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "install".into(),
        about: "A closure that does nothing, called from outside as part of the pool: what it may \
                fork would be shared with the workers."
            .into(),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::calibrated(100),
        named_only: false,
        ours: ours(workers),
        peers: vec![
            rayon(workers)
                .peer()
                .required(Goal::BoundBelow(1.0))
                .stretch(Goal::RatioAtMost(1.0 / 3.0)),
            chili(workers).peer(),
        ],
        baseline: None,
    }
}

/// `Pool::install`.
fn ours(workers: usize) -> Contender {
    Contender::new(threads::Pool::NAME, move |units| {
        let pool = threads::Pool::start(workers);
        warm_up(&pool);
        sample(units, |x| pool.install(|| x))
    })
}

/// `ThreadPool::install`.
fn rayon(workers: usize) -> Contender {
    Contender::new(rayon::ThreadPool::NAME, move |units| {
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        sample(units, |x| pool.install(|| x))
    })
}

/// A scope, which is what one needs with chili before anything can be forked.
fn chili(workers: usize) -> Contender {
    Contender::new("chili", move |units| {
        let pool = chili_pool(workers);
        sample(units, |x| {
            let scope = pool.scope();
            black_box(&scope);
            x
        })
    })
}

/// So many calls.
fn sample(units: u64, call: impl Fn(u64) -> u64) -> Sample {
    let watch = Stopwatch::start();
    let found: Tally = (0..units).map(|x| call(black_box(x))).collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
