//! A pool with a little to do, again and again.

use std::{
    hint, thread,
    time::{Duration, Instant},
};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up};

/// From the beginning of a region to that of the next.
const PERIOD: Duration = Duration::from_millis(1);

/// What each of the two jobs of a region takes: 50 us together.
const JOB: Duration = Duration::from_micros(25);

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "cpu.light".into(),
        about: "Processor time of regions of 50 us, one each millisecond: two jobs of 25 us from \
                outside of the pool, and the wait for both. The work is part of it."
            .into(),
        unit: "region",
        cost: Cost::Cpu,
        amount: Amount::Fixed { units: 1_000, smoke: 20 },
        named_only: false,
        baseline: None,
        ours: ours(workers),
        peers: vec![
            rayon(workers)
                .peer()
                .required(Goal::BoundBelow(1.0))
                .stretch(Goal::RatioAtMost(1.0 / 3.0)),
        ],
    }
}

/// Two handles.
fn ours(workers: usize) -> Contender {
    Contender::new(threads::Pool::NAME, move |units| {
        let pool = threads::Pool::start(workers);
        warm_up(&pool);
        sample(units, |x| {
            let (a, b) = (pool.submit(work, x), pool.submit(work, x));
            (a.join().expect("it does not panic"), b.join().expect("it does not panic"))
        })
    })
}

/// `ThreadPool::join`, as one does it with rayon.
fn rayon(workers: usize) -> Contender {
    Contender::new(rayon::ThreadPool::NAME, move |units| {
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        sample(units, |x| pool.join(|| work(x), || work(x)))
    })
}

/// A job: computes for as long as it is to take.
fn work(x: u64) -> u64 {
    let begin = Instant::now();
    while begin.elapsed() < JOB {
        hint::spin_loop();
    }
    x
}

/// So many regions. One that is late does not make the others late: its period is the shorter.
fn sample(units: u64, region: impl Fn(u64) -> (u64, u64)) -> Sample {
    let watch = Stopwatch::start();
    let (begin, mut found) = (Instant::now(), Tally::default());
    for (number, start) in (0..units).zip((0..).map(|number| begin + number * PERIOD)) {
        pass_until(start);
        let (a, b) = region(number);
        if a == b {
            found = found.plus(Tally { count: 1, sum: a });
        }
    }
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}

/// Lets time pass until then.
#[expect(clippy::disallowed_methods, reason = "the pauses between regions are the load")]
fn pass_until(then: Instant) {
    thread::sleep(then.saturating_duration_since(Instant::now()));
}
