//! Tasks that come and go.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::loops::{Evented, Loop, Recorded, Smol, Tokio, TokioLocal};

/// Tasks that are spawned before the first one is awaited.
const BATCH: u64 = 500;

/// The metric.
pub(crate) fn metric() -> Metric {
    Metric {
        name: "spawn.join".into(),
        about: format!(
            "{BATCH} tasks spawned by another one, which then awaits them all, again and again."
        ),
        unit: "task",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: 10 * BATCH, step: BATCH },
        named_only: false,
        baseline: None,
        ours: contender::<Evented>(),
        peers: vec![
            contender::<Tokio>().peer().required(Goal::RatioAtMost(0.5)),
            contender::<TokioLocal>()
                .peer()
                .required(Goal::RatioAtMost(0.5))
                .stretch(Goal::CostAtMost(90.0)),
            contender::<Smol>().peer(),
            contender::<Recorded>().peer(),
        ],
    }
}

/// This loop.
fn contender<L: Loop>() -> Contender {
    Contender::new(L::NAME, |units| {
        L::run(async move {
            let watch = Stopwatch::start();
            let mut found = Tally::default();
            let mut tasks = Vec::with_capacity(BATCH.try_into().expect("it is small"));
            for batch in 0..units / BATCH {
                let numbers = batch * BATCH..(batch + 1) * BATCH;
                tasks.extend(numbers.map(|number| L::spawn(async move { number })));
                for task in tasks.drain(..) {
                    found = found.plus(Tally { count: 1, sum: task.await });
                }
            }
            Sample::new(units, watch.stop(), found, Tally::of_range(units))
        })
    })
}
