//! Jobs that do nothing, spawned one after the other by a thread outside of the pool, which does not
//! wait for any of them.

use sampler::{Amount, Contender, Cost, Countdown, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, pools::ChannelPool};

/// Up to where the time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// The last job has run: what a job costs the process.
    Run,
    /// The last job has been spawned: what a job costs the caller.
    Spawned,
}

/// The two metrics.
pub(crate) fn metrics(workers: usize) -> Vec<Metric> {
    let metric = |name: &str, about: &str, until| Metric {
        name: name.into(),
        about: about.into(),
        unit: "job",
        cost: Cost::Wall,
        amount: Amount::calibrated(2_000),
        named_only: false,
        baseline: None,
        ours: contender::<threads::Pool>(workers, until),
        peers: vec![
            contender::<rayon::ThreadPool>(workers, until)
                .peer()
                .required(Goal::BoundBelow(1.0))
                .stretch(Goal::RatioAtMost(1.0 / 3.0)),
            contender::<threadpool::ThreadPool>(workers, until).peer(),
            contender::<ChannelPool>(workers, until).peer(),
        ],
    };
    vec![
        metric(
            "submit.external",
            "Jobs that do nothing, spawned from outside of the pool: from the first call until \
             the last job has run.",
            Until::Run,
        ),
        metric(
            "submit.call",
            "The same jobs: from the first call until the last call has returned, that is, what \
             fire-and-forget costs the caller.",
            Until::Spawned,
        ),
    ]
}

/// This pool.
fn contender<P: Executor>(workers: usize, until: Until) -> Contender {
    Contender::new(P::NAME, move |units| sample::<P>(workers, units, until))
}

/// Spawns so many jobs.
fn sample<P: Executor>(workers: usize, units: u64, until: Until) -> Sample {
    let pool = P::start(workers);
    let countdown = Countdown::new(units);
    warm_up(&pool);
    let watch = Stopwatch::start();
    for _ in 0..units {
        pool.execute(|| countdown.count_one());
    }
    let spawned = watch.stop();
    countdown.wait();
    let run = watch.stop();
    drop(pool);
    let times = if until == Until::Run { run } else { spawned };
    Sample::new(units, times, Tally::of_count(countdown.counted()), Tally::of_count(units))
}

/// Has some jobs run, so that all workers are up and what is made at first use is there.
pub(crate) fn warm_up(pool: &impl Executor) {
    /// Enough for each worker to get some.
    const JOBS: u64 = 1_000;
    let countdown = Countdown::new(JOBS);
    for _ in 0..JOBS {
        pool.execute(|| countdown.count_one());
    }
    countdown.wait();
}
