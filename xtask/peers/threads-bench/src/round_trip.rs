//! One job, and its result, before the next.
//!
//! No goal. A worker of ours sleeps as soon as it finds no job, and one of rayon looks around
//! for a while: it saves this caller a wake-up and costs the machine processor time. To look
//! around for 0.5 to 10 us was tried and shortened no round trip here: most of one is the
//! second wake-up, that of the caller.

use sampler::{Amount, Contender, Cost, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up, pools::ChannelPool};

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "submit.round-trip".into(),
        about:
            "One job from outside of the pool, and the wait for its result, one after the other."
                .into(),
        unit: "job",
        cost: Cost::Wall,
        amount: Amount::calibrated(100),
        named_only: false,
        baseline: None,
        ours: contender::<threads::Pool>(workers),
        peers: vec![
            contender::<rayon::ThreadPool>(workers).peer(),
            rayon_install(workers).peer(),
            contender::<threadpool::ThreadPool>(workers).peer(),
            contender::<ChannelPool>(workers).peer(),
            std_spawn().peer(),
        ],
    }
}

/// This pool.
fn contender<P: Executor>(workers: usize) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = P::start(workers);
        warm_up(&pool);
        sample(units, |x| pool.ask(same, x))
    })
}

/// Rayon's own way to wait for a result from outside, which needs no channel.
fn rayon_install(workers: usize) -> Contender {
    Contender::new("rayon-install", move |units| {
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        sample(units, |x| pool.install(|| same(x)))
    })
}

/// A thread for each job.
fn std_spawn() -> Contender {
    Contender::new("std-spawn", |units| {
        sample(units, |x| std::thread::spawn(move || same(x)).join().expect("it does not panic"))
    })
}

/// The job.
fn same(x: u64) -> u64 {
    x
}

/// Asks so many times.
fn sample(units: u64, ask: impl Fn(u64) -> u64) -> Sample {
    let watch = Stopwatch::start();
    let found: Tally = (0..units).map(ask).collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
