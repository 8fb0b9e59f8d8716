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
        amount: Amount::Calibrated { first: BATCH, step: BATCH },
        named_only: true,
        ours: Contender::new(threads::Pool::NAME, sample::<threads::Pool>),
        peers: vec![Contender::new(rayon::ThreadPool::NAME, sample::<rayon::ThreadPool>).peer()],
        baseline: None,
    }
}

/// Jobs before the worker is let go.
const BATCH: u64 = 1_000;

/// Spawns so many jobs, batch after batch, and lets the worker run each.
fn sample<P: Executor>(units: u64) -> Sample {
    let pool = P::start(1);
    warm_up(&pool);
    let watch = Stopwatch::start();
    let mut found = 0;
    for _ in 0..units / BATCH {
        let countdown = Countdown::new(BATCH);
        let (release, released) = mpsc::channel();
        pool.execute(move || released.recv().expect("it is released"));
        for _ in 0..BATCH {
            pool.execute(|| countdown.count_one());
        }
        release.send(()).expect("the worker waits for it");
        countdown.wait();
        found += countdown.counted();
    }
    Sample::new(units, watch.stop(), Tally::of_count(found), Tally::of_count(units))
}
