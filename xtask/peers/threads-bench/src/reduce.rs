//! Few elements, mapped and reduced.

use std::hint::black_box;

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::{executor::Executor, external::warm_up};

/// How many elements.
const ELEMENTS: u64 = 1_000;

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "reduce.1000".into(),
        about: format!("The sum of the squares of {ELEMENTS} numbers, from outside of the pool."),
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
            serial().peer(),
        ],
        baseline: None,
    }
}

/// One call of `par_map_reduce`.
fn ours(workers: usize) -> Contender {
    Contender::new(threads::Pool::NAME, move |units| {
        let pool = threads::Pool::start(workers);
        warm_up(&pool);
        sample(units, |numbers| {
            pool.install(|| threads::par_map_reduce(numbers, |x| square(*x), u64::wrapping_add))
        })
    })
}

/// A parallel iterator.
fn rayon(workers: usize) -> Contender {
    Contender::new(rayon::ThreadPool::NAME, move |units| {
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        sample(units, |numbers| {
            let squares = || numbers.par_iter().map(|x| square(*x));
            pool.install(|| squares().reduce_with(u64::wrapping_add))
        })
    })
}

/// An iterator.
fn serial() -> Contender {
    Contender::new("serial", |units| {
        sample(units, |numbers| numbers.iter().map(|x| square(*x)).reduce(u64::wrapping_add))
    })
}

/// What is done to each number.
fn square(x: u64) -> u64 {
    x.wrapping_mul(x)
}

/// So many calls.
fn sample(units: u64, call: impl Fn(&[u64]) -> Option<u64>) -> Sample {
    let numbers: Vec<u64> = (0..ELEMENTS).collect();
    let right = numbers.iter().map(|x| square(*x)).sum::<u64>();
    let watch = Stopwatch::start();
    let results = (0..units).filter_map(|_| call(black_box(&numbers)));
    let found: Tally = results.collect();
    let expected = Tally { count: units, sum: right.wrapping_mul(units) };
    Sample::new(units, watch.stop(), found, expected)
}
