//! Many elements, mapped to as many results.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Executor, on_thread},
    external::warm_up,
    sort::numbers,
};

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "par.map".into(),
        about: "A vector of the results of a function of a few nanoseconds, which is called with \
                each element of a slice."
            .into(),
        unit: "element",
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 10_000_000, smoke: 100_000 },
        named_only: false,
        ours: ours(workers),
        peers: vec![
            rayon(workers).peer().required(Goal::BoundBelow(1.05)).stretch(Goal::BoundBelow(1.0)),
            serial().peer(),
        ],
        baseline: None,
    }
}

/// `par_map`.
fn ours(workers: usize) -> Contender {
    Contender::new(threads::Pool::NAME, move |units| {
        let pool = threads::Pool::start(workers);
        warm_up(&pool);
        pool.ask(move |units| sample(units, |numbers| threads::par_map(numbers, |x| f(*x))), units)
    })
}

/// A parallel iterator.
fn rayon(workers: usize) -> Contender {
    Contender::new(rayon::ThreadPool::NAME, move |units| {
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        pool.ask(
            move |units| sample(units, |numbers| numbers.par_iter().map(|x| f(*x)).collect()),
            units,
        )
    })
}

/// An iterator.
fn serial() -> Contender {
    Contender::new("serial", |units| {
        on_thread(move || sample(units, |numbers| numbers.iter().map(|x| f(*x)).collect()))
    })
}

/// The function.
fn f(x: u64) -> u64 {
    (0..4).fold(x, |x, _| (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Maps so many elements.
fn sample(units: u64, map: impl Fn(&[u64]) -> Vec<u64>) -> Sample {
    let numbers = numbers(units);
    let watch = Stopwatch::start();
    let results = map(&numbers);
    let times = watch.stop();
    let longer = results.len().saturating_sub(numbers.len()) as u64;
    let right = std::iter::zip(&numbers, &results).filter(|(x, result)| f(**x) == **result).count();
    Sample::new(units, times, Tally { count: right as u64, sum: longer }, Tally::of_count(units))
}
