//! Metrics that go wrong on purpose: whoever takes samples has to say how.

use std::{cell::Cell, hint, thread};

use crate::{
    metric::{Amount, Contender, Cost, Counted, Goal, Metric},
    sample::{Sample, Tally},
    stopwatch::Stopwatch,
};

/// A metric that has more instructions than recorded.
pub(crate) const COUNTED: [Counted; 1] =
    [Counted { named_only: true, ..Counted::new("dummy.missed", 100_000, 0.01) }];

/// Contenders that count wrongly, add up wrongly, end early, never end, and talk rubbish; each in a
/// metric of its own, beside one that does as it should. And a goal that nobody meets, and slices.
pub(crate) fn metrics() -> Vec<Metric> {
    let few = |units: u64| sample(units, Tally::of_range(units - 1));
    let off = |units| sample(units, Tally { sum: 7, ..Tally::of_range(units) });
    let mut metrics = vec![
        metric("dummy.wrong-count", few),
        metric("dummy.wrong-sum", off),
        metric("dummy.panic", |_| panic!("as it was asked to")),
        metric("dummy.hang", |_| {
            loop {
                thread::park();
            }
        }),
        metric("dummy.rubbish", |units| {
            println!("not a sample");
            right(units)
        }),
    ];
    let mut missed = metric("dummy.missed", right);
    missed.peers[0].required = Some(Goal::CostAtMost(0.0));
    metrics.push(missed);
    metrics.push(slices());
    metrics
}

/// A metric whose contenders take slices by turns, one of which fails the second time.
fn slices() -> Metric {
    let ran = Cell::new(false);
    let once = move |units| {
        assert!(!ran.replace(true), "it was asked twice");
        counted(units)
    };
    Metric {
        cost: Cost::Cpu,
        amount: Amount::Sliced { first: 1_000, step: 10, slices: 3 },
        ours: Contender::new("right", counted),
        peers: vec![
            Contender::new("as-right", counted).peer(),
            Contender::new("once", once).peer(),
        ],
        baseline: Some(Contender::new("base", counted)),
        ..metric("dummy.slices", right)
    }
}

/// A sample that is right, and has counted while time was taken.
fn counted(units: u64) -> Sample {
    let watch = Stopwatch::start();
    let found = (0..units).map(hint::black_box).collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}

/// A metric with ours as it should be and this peer.
fn metric(name: &str, peer: fn(u64) -> Sample) -> Metric {
    Metric {
        name: name.into(),
        about: "Goes wrong on purpose.".into(),
        unit: "number",
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 1_000, smoke: 1_000 },
        named_only: true,
        ours: Contender::new("right", right),
        peers: vec![Contender::new("wrong", peer).peer()],
        baseline: None,
    }
}

/// A sample that is right, and has really counted.
fn right(units: u64) -> Sample {
    sample(units, (0..units).map(hint::black_box).collect())
}

/// A sample that says it came to `found`.
fn sample(units: u64, found: Tally) -> Sample {
    let watch = Stopwatch::start();
    let expected = Tally::of_range(units);
    Sample::new(units, watch.stop(), found, expected)
}
