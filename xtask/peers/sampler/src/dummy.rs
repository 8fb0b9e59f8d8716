//! Metrics that go wrong on purpose: whoever takes samples has to say how.

use std::thread;

use crate::{
    metric::{Amount, Contender, Cost, Metric},
    sample::{Sample, Tally},
    stopwatch::Stopwatch,
};

/// Contenders that count wrongly, add up wrongly, end early, never end, and talk rubbish; each in a
/// metric of its own, beside one that does as it should.
pub(crate) fn metrics() -> Vec<Metric> {
    vec![
        metric("dummy.wrong-count", |units| {
            honest(units, Tally::of_range(units.saturating_sub(1)))
        }),
        metric("dummy.wrong-sum", |units| honest(units, Tally { count: units, sum: 7 })),
        metric("dummy.panic", |_| panic!("as it was asked to")),
        metric("dummy.hang", |_| {
            loop {
                thread::park();
            }
        }),
        metric("dummy.rubbish", |units| {
            println!("not a sample");
            honest(units, Tally::of_range(units))
        }),
    ]
}

/// A metric with ours as it should be and this peer.
fn metric(name: &str, wrong: fn(u64) -> Sample) -> Metric {
    Metric {
        name: name.into(),
        about: "Goes wrong on purpose.".into(),
        unit: "number",
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 1_000, smoke: 1_000 },
        named_only: true,
        ours: Contender::new("right", |units| honest(units, Tally::of_range(units))),
        peers: vec![Contender::new("wrong", wrong).peer()],
    }
}

/// A sample that says it came to `found`.
fn honest(units: u64, found: Tally) -> Sample {
    let watch = Stopwatch::start();
    let expected = Tally::of_range(units);
    Sample::new(units, watch.stop(), found, expected)
}
