//! A pool with nothing to do.

use std::{thread, time::Duration};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{executor::Executor, external::warm_up};

/// How long a pool may take to come to rest after its last job; what that costs is part of
/// `cpu.light`.
const SETTLE: Duration = Duration::from_millis(200);

/// The most processor time in an idle millisecond, in nanoseconds, that counts as none: 0.05 % of a
/// processor. A process with no pool at all needs about a tenth of it, to wake up at the end and
/// to read the clocks.
const NONE_NS: f64 = 500.0;

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: "cpu.idle".into(),
        about: "Processor time of a process whose pool has run jobs and has none left.".into(),
        unit: "millisecond",
        cost: Cost::Cpu,
        amount: Amount::Fixed { units: 1_000, smoke: 20 },
        named_only: false,
        baseline: None,
        ours: contender::<threads::Pool>(workers),
        peers: vec![
            contender::<rayon::ThreadPool>(workers).peer().required(Goal::CostAtMost(NONE_NS)),
        ],
    }
}

/// This pool.
fn contender<P: Executor>(workers: usize) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = P::start(workers);
        warm_up(&pool);
        pass(SETTLE);
        let watch = Stopwatch::start();
        pass(Duration::from_millis(units));
        let times = watch.stop();
        // It was idle, not dead.
        let found = pool.ask(|units| units, units);
        Sample::new(units, times, Tally::of_count(found), Tally::of_count(units))
    })
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "idleness for a time is what is measured")]
fn pass(time: Duration) {
    thread::sleep(time);
}
