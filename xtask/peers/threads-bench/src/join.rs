//! What fork-join costs: two recursions that do next to nothing but join.
//!
//! All of it happens inside of the pool, so that as many threads compute as there are workers.

use std::{hint::black_box, num::NonZero};

use sampler::{Amount, Contender, Cost, Goal, Metric, Peer, Sample, Stopwatch, Tally};

use crate::{
    executor::{Executor, on_thread},
    external::warm_up,
    fib::Fib,
    tree::Tree,
};

/// A recursion, done by each contender in the same order.
pub(crate) trait Work: Copy + Send + 'static {
    /// What it consists of.
    const UNIT: &'static str;
    /// Of how many.
    const UNITS: u64;

    /// Makes what it works on.
    fn prepare() -> Self;

    /// Does it without any joins.
    fn serial(self) -> u64;

    /// Does it with our joins.
    fn ours(self) -> u64;

    /// Does it with those of rayon.
    fn rayon(self) -> u64;

    /// Does it with those of chili.
    fn chili(self, scope: &mut chili::Scope<'_>) -> u64;

    /// What this result says that was done.
    fn found(result: u64) -> Tally;

    /// What has to be done.
    fn expected() -> Tally;
}

/// What is measured of a recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// What joins cost above none, on one worker.
    Alone,
    /// What they add to the processor time, on two workers that may share the work.
    Shared,
    /// How long two workers take.
    SpeedUp,
}

/// The metrics.
pub(crate) fn metrics() -> Vec<Metric> {
    vec![
        metric::<Tree<1_023>>("join.tree-1023.1", What::Alone),
        metric::<Tree<65_535>>("join.tree-65535.1", What::Alone),
        metric::<Fib>("join.fib-20.1", What::Alone),
        metric::<Tree<1_023>>("join.tree-1023.2", What::Shared),
        metric::<Tree<65_535>>("join.tree-65535.2", What::Shared),
        metric::<Fib>("join.fib-20.2", What::Shared),
        metric::<Tree<65_535>>("join.speed-up", What::SpeedUp),
    ]
}

/// The metric of a recursion.
fn metric<W: Work>(name: &str, what: What) -> Metric {
    let workers = if what == What::Alone { 1 } else { 2 };
    let about = match what {
        What::Alone => "Time of joins that do next to nothing, on the only worker of a pool",
        What::Shared => "Processor time of joins that do next to nothing, in a pool of two workers",
        What::SpeedUp => "Time of joins that do next to nothing, in a pool of two workers",
    };
    let (rayon, chili) = (rayon::<W>(workers).peer(), chili::<W>(workers).peer());
    let (peers, baseline) = match what {
        What::SpeedUp => (vec![rayon, chili, serial::<W>().peer()], None),
        What::Alone | What::Shared => (with_goals(rayon, chili), Some(serial::<W>())),
    };
    Metric {
        name: name.into(),
        about: format!("{about}; {}s in one recursion: {}.", W::UNIT, W::UNITS),
        unit: W::UNIT,
        cost: if what == What::Shared { Cost::Cpu } else { Cost::Wall },
        amount: Amount::Calibrated { first: W::UNITS, step: W::UNITS },
        named_only: false,
        ours: ours::<W>(workers),
        peers,
        baseline,
    }
}

/// The peers with what the design says about the costs above those of no joins.
fn with_goals(rayon: Peer, chili: Peer) -> Vec<Peer> {
    let chili = chili.required(Goal::RatioAtMost(1.2)).stretch(Goal::RatioAtMost(1.0));
    vec![rayon.required(Goal::RatioAtMost(0.25)), chili]
}

/// Without any joins.
fn serial<W: Work>() -> Contender {
    Contender::new("serial", |units| {
        let work = W::prepare();
        on_thread(move || sample::<W>(units, || work.serial()))
    })
}

/// On a worker of ours.
fn ours<W: Work>(workers: usize) -> Contender {
    Contender::new(threads::Pool::NAME, move |units| {
        let work = W::prepare();
        let pool = threads::Pool::start(workers);
        warm_up(&pool);
        pool.ask(move |units| sample::<W>(units, || work.ours()), units)
    })
}

/// On a worker of rayon.
fn rayon<W: Work>(workers: usize) -> Contender {
    Contender::new(rayon::ThreadPool::NAME, move |units| {
        let work = W::prepare();
        let pool = rayon::ThreadPool::start(workers);
        warm_up(&pool);
        pool.ask(move |units| sample::<W>(units, || work.rayon()), units)
    })
}

/// On the thread that makes the scope, which is one of chili's workers meanwhile.
fn chili<W: Work>(workers: usize) -> Contender {
    Contender::new("chili", move |units| {
        let work = W::prepare();
        let pool = chili_pool(workers);
        on_thread(move || {
            let mut scope = pool.scope();
            sample::<W>(units, || work.chili(&mut scope))
        })
    })
}

/// A pool of chili in which so many threads compute, the one that makes a scope among them.
pub(crate) fn chili_pool(workers: usize) -> chili::ThreadPool {
    let thread_count = NonZero::new(workers);
    chili::ThreadPool::with_config(chili::Config { thread_count, ..chili::Config::default() })
}

/// Does the work so often, after once to warm up.
fn sample<W: Work>(units: u64, mut run: impl FnMut() -> u64) -> Sample {
    black_box(run());
    let watch = Stopwatch::start();
    let (mut found, mut expected) = (Tally::default(), Tally::default());
    while expected.count < units {
        found = found.plus(W::found(run()));
        expected = expected.plus(W::expected());
    }
    Sample::new(units, watch.stop(), found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_does_the_work_on_one_worker_and_on_two() {
        for metric in metrics() {
            let Amount::Calibrated { first, step } = metric.amount else { panic!("calibrated") };
            assert_eq!(first % step, 0);
            let peers = metric.peers.iter().map(|peer| &peer.contender);
            for contender in std::iter::once(&metric.ours).chain(peers).chain(&metric.baseline) {
                let sample = contender.run(3 * step);
                let done = (sample.checked, &sample.problem);
                assert_eq!(done, (3 * step, &None), "{}, {}", metric.name, contender.name);
            }
        }
    }
}
