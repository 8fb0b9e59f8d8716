//! Jobs that do next to nothing, spawned in a scope.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up};

/// Jobs in one scope.
const JOBS: u64 = 1_000;

/// The metrics: with nobody to take jobs over, and with one more worker.
pub(crate) fn metrics() -> Vec<Metric> {
    let metric = |name: &str, workers: usize| Metric {
        name: name.into(),
        about: format!(
            "Jobs that add one to a number of their own, {JOBS} in a scope, spawned on a worker of \
             the pool; workers: {workers}."
        ),
        unit: "job",
        cost: Cost::Wall,
        amount: Amount::Calibrated { first: JOBS, step: JOBS },
        named_only: false,
        ours: contender::<threads::Pool>(workers, ours),
        peers: vec![
            contender::<rayon::ThreadPool>(workers, rayon)
                .peer()
                .required(Goal::BoundBelow(1.0))
                .stretch(Goal::RatioAtMost(1.0 / 3.0)),
        ],
        baseline: None,
    };
    vec![metric("scope.spawn.1", 1), metric("scope.spawn.2", 2)]
}

/// A job for each of these numbers.
fn ours(numbers: &mut [u64]) {
    threads::scope(|scope| {
        for number in numbers {
            scope.spawn(move || *number += 1);
        }
    });
}

/// The same with rayon.
fn rayon(numbers: &mut [u64]) {
    rayon::scope(|scope| {
        for number in numbers {
            scope.spawn(move |_| *number += 1);
        }
    });
}

/// On a worker of this pool.
fn contender<P: Executor>(workers: usize, scope: fn(&mut [u64])) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = P::start(workers);
        warm_up(&pool);
        pool.ask(move |units| sample(units, scope), units)
    })
}

/// So many jobs in scopes, after one to warm up.
fn sample(units: u64, scope: fn(&mut [u64])) -> Sample {
    let mut numbers: Vec<u64> = (0..JOBS).map(|_| 0).collect();
    scope(&mut numbers);
    numbers.fill(0);
    let watch = Stopwatch::start();
    for _ in 0..units / JOBS {
        scope(&mut numbers);
    }
    let times = watch.stop();
    // Each job once in each scope: all numbers are the same.
    let right = numbers.iter().filter(|number| **number == units / JOBS).count();
    let wrong = u64::from(right != numbers.len());
    let found = Tally { count: numbers.iter().sum(), sum: wrong };
    Sample::new(units, times, found, Tally::of_count(units))
}
