//! Jobs from outside, while all workers are busy with another one.

use std::sync::mpsc;

use sampler::{Amount, Contender, Cost, Countdown, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up};

/// The metric. Nobody waits for a job, so nobody has to be woken: the path of a job is always the
/// same, which makes its instructions worth counting.
pub(crate) fn metric() -> Metric {
    Metric {
        name: "submit.busy".into(),
        about:
            "Jobs that do nothing, spawned from outside of a pool whose only worker is busy, and \
                run when it no longer is."
                .into(),
        unit: "job",
        cost: Cost::Wall,
        amount: Amount::calibrated(2_000),
        named_only: true,
        ours: Contender::new(threads::Pool::NAME, sample::<threads::Pool>),
        peers: vec![Contender::new(rayon::ThreadPool::NAME, sample::<rayon::ThreadPool>).peer()],
        baseline: None,
    }
}

/// Spawns so many jobs while the worker waits, and then lets it run them.
fn sample<P: Executor>(units: u64) -> Sample {
    let pool = P::start(1);
    let countdown = Countdown::new(units);
    warm_up(&pool);
    let (release, released) = mpsc::channel();
    pool.execute(move || released.recv().expect("it is released"));
    let watch = Stopwatch::start();
    for _ in 0..units {
        pool.execute(|| countdown.count_one());
    }
    release.send(()).expect("the worker waits for it");
    countdown.wait();
    let times = watch.stop();
    Sample::new(units, times, Tally::of_count(countdown.counted()), Tally::of_count(units))
}
