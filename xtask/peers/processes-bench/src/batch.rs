//! Many calls, each submitted by itself, and then all of their results.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Channels, Executor, Streams, started},
    python,
};

/// The name of the metric.
const NAME: &str = "call.batch";

/// Calls before the first result is waited for.
const BATCH: u64 = 1_000;

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    let python = |name| python::contender(NAME, name, workers).peer();
    let times = |times: f64| (Goal::RatioAtMost(2.0 / times), Goal::RatioAtMost(1.0 / times));
    let (python_required, python_stretch) = times(5.0);
    let (procspawn_required, procspawn_stretch) = times(10.0);
    let (executor_required, executor_stretch) = times(20.0);
    Metric {
        name: NAME.into(),
        about: format!(
            "{BATCH} calls that return their argument, each submitted by itself, then the wait for \
             all of their results, batch after batch."
        ),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::calibrated(BATCH),
        named_only: false,
        baseline: None,
        ours: contender::<processes::Pool>(workers),
        peers: vec![
            contender::<Streams>(workers)
                .peer()
                .required(Goal::CostAtMost(10_000.0))
                .stretch(Goal::CostAtMost(5_000.0)),
            contender::<Channels>(workers).peer(),
            contender::<procspawn::Pool>(workers)
                .peer()
                .required(procspawn_required)
                .stretch(procspawn_stretch),
            python("py-pool").required(python_required).stretch(python_stretch),
            python("py-executor").required(executor_required).stretch(executor_stretch),
            python("loky"),
            python("pebble"),
        ],
    }
}

/// This pool.
fn contender<P: Executor>(workers: usize) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = started::<P>(workers);
        let watch = Stopwatch::start();
        let (mut found, mut begun) = (Tally::default(), 0);
        while begun < units {
            let end = units.min(begun + BATCH);
            found = found.plus(pool.batch(begun..end).into_iter().collect());
            begun = end;
        }
        Sample::new(units, watch.stop(), found, Tally::of_range(units))
    })
}
