//! One call, and its result, before the next.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Channels, Executor, Streams, started},
    python,
};

/// The name of the metric.
const NAME: &str = "call.round-trip";

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    let python = |name| python::contender(NAME, name, workers).peer();
    Metric {
        name: NAME.into(),
        about: "One call that returns its argument, and the wait for its result, one after the \
                other."
            .into(),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::calibrated(100),
        named_only: false,
        baseline: None,
        ours: contender::<processes::Pool>(workers),
        peers: vec![
            contender::<Streams>(workers)
                .peer()
                .required(Goal::RatioAtMost(3.0))
                .stretch(Goal::RatioAtMost(1.5)),
            contender::<Channels>(workers).peer(),
            contender::<procspawn::Pool>(workers).peer(),
            python("py-pool"),
            python("py-executor"),
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
        let found: Tally = (0..units).map(|x| pool.ask(x)).collect();
        Sample::new(units, watch.stop(), found, Tally::of_range(units))
    })
}
