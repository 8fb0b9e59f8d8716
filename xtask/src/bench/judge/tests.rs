use crate::{
    bench::{
        contract::{Amount, Cost},
        goal::Goal,
        record::{Problem, SCHEMA, Slice, Timed},
    },
    compare::record::{Finish, Noise},
};

use super::*;

/// What is measured in these tests: ours is to need less than the peer.
fn metric(cost: Cost) -> Metric {
    let (required, stretch) = (Some(Goal::BoundBelow(1.0)), Some(Goal::RatioAtMost(0.3)));
    Metric {
        name: "metric".into(),
        about: String::new(),
        unit: "unit".into(),
        cost,
        amount: Amount::Calibrated { first: 1, step: 1 },
        named_only: false,
        ours: "ours".into(),
        peers: vec![Peer { name: "peer".into(), required, stretch }],
        baseline: None,
    }
}

/// A contender with these wall-clock times, one for each round, and a tenth of the processor
/// time.
fn contender(wall_ns: &[u64]) -> Contender {
    let samples = wall_ns.iter().enumerate().map(|(round, &wall_ns)| Timed {
        round,
        repetition: 0,
        quarantined: false,
        slice: None,
        wall_ns,
        cpu_ns: wall_ns / 10,
        bytes: Some(wall_ns * 2),
    });
    Contender { samples: samples.collect(), ..Contender::new("contender") }
}

/// The row of these two, whose samples have ten units each.
fn judged(cost: Cost, ours: Contender, peer: Contender) -> Row {
    let series = Series {
        name: "metric".into(),
        about: String::new(),
        unit: "unit".into(),
        cost,
        units: Some(10),
        contenders: vec![ours, peer],
    };
    let rows = rows(&metric(cost), &series, 6);
    let [row] = <[Row; 1]>::try_from(rows).unwrap();
    row
}

/// Whether the two are the same but for rounding.
fn same(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found / expected - 1.0).abs() < 1e-9)
}

#[test]
fn the_ratio_is_ours_by_the_peers_and_a_cost_that_of_a_unit() {
    let (half, whole) = ([500; 6], [1_000; 6]);
    let row = judged(Cost::Wall, contender(&half), contender(&whole));
    assert!(same(row.ours, 50.0) && same(row.peer, 100.0), "{row:?}");
    assert!(same(row.ratio, 0.5), "{row:?}");
    assert_eq!((row.met, row.stretch_met, row.rounds), (Some(true), Some(false), 6));
    let row = judged(Cost::Cpu, contender(&whole), contender(&half));
    assert!(same(row.ours, 10.0) && same(row.peer, 5.0), "{row:?}");
    assert!(same(row.ratio, 2.0) && row.met == Some(false), "{row:?}");
    let row = judged(Cost::Bytes, contender(&half), contender(&whole));
    assert!(same(row.ours, 100.0) && same(row.peer, 200.0), "{row:?}");
}

#[test]
fn ratios_are_of_the_same_round_and_without_repetitions() {
    let slower = [100, 200, 400, 800, 1_600, 3_200];
    let mut ours = contender(&slower.map(|ns| ns / 4));
    for round in 0..6 {
        let disturbed = Timed {
            round,
            repetition: 1,
            quarantined: true,
            slice: None,
            wall_ns: 9_999,
            cpu_ns: 9_999,
            bytes: None,
        };
        ours.samples.insert(0, disturbed);
        ours.samples.push(disturbed);
    }
    let row = judged(Cost::Wall, ours, contender(&slower));
    let bounds = row.interval.unwrap();
    assert!([bounds.low, bounds.high].into_iter().all(|bound| same(Some(bound), 0.25)));
    assert_eq!((row.met, row.stretch_met), (Some(true), Some(true)));
    assert!(bounds.coverage.is_some_and(|coverage| coverage >= 0.95));
}

#[test]
fn a_contender_with_a_problem_has_no_time() {
    let problem = |wrong| Some(Problem { wrong, why: "on purpose".into() });
    for wrong in [false, true] {
        let failed = || Contender { problem: problem(wrong), ..contender(&[1; 6]) };
        let row = judged(Cost::Wall, contender(&[2; 6]), failed());
        assert!(same(row.ours, 0.2) && row.peer.is_none() && row.ratio.is_none());
        assert_eq!((row.met, row.rounds), (None, 0));
        let row = judged(Cost::Wall, failed(), contender(&[2; 6]));
        assert!(row.ours.is_none() && same(row.peer, 0.2) && row.interval.is_none());
    }
}

/// How a run with these two contenders ends.
fn end(ours: Contender, peer: Contender, gate: bool) -> Exit {
    let contenders = vec![ours.clone(), peer.clone()];
    let row = judged(Cost::Wall, ours, peer);
    let run = Run {
        schema: SCHEMA,
        model: "model".into(),
        started: String::new(),
        revision: None,
        command: String::new(),
        seed: 1,
        smoke: false,
        workers: 1,
        absent: Vec::new(),
        rounds: 6,
        finish: Finish::Complete,
        environment: std::collections::BTreeMap::new(),
        noise: Noise::default(),
        calls_by: None,
        metrics: vec![Series {
            name: row.metric.clone(),
            about: String::new(),
            unit: row.unit.clone(),
            cost: row.cost,
            units: Some(10),
            contenders,
        }],
        rows: vec![row],
    };
    exit(&run, gate)
}

#[test]
fn the_gravest_decides_how_a_run_ends() {
    let (fast, slow) = (|| contender(&[1; 6]), || contender(&[2; 6]));
    let problem =
        |wrong| Contender { problem: Some(Problem { wrong, why: "on purpose".into() }), ..slow() };
    for gate in [false, true] {
        let gated = |exit| if gate { exit } else { Exit::Ok };
        assert_eq!(end(fast(), slow(), gate), Exit::Ok);
        assert_eq!(end(slow(), fast(), gate), gated(Exit::GoalMissed));
        assert_eq!(end(contender(&[1; 5]), slow(), gate), gated(Exit::Inconclusive));
        assert_eq!(end(fast(), problem(false), gate), Exit::Failed);
        assert_eq!(end(problem(true), slow(), gate), Exit::WrongOutput);
        assert_eq!(end(problem(true), problem(false), gate), Exit::WrongOutput);
    }
}

/// A metric with one peer and, perhaps, a baseline.
fn above(baseline: Option<&str>) -> Metric {
    let required = Some(Goal::RatioAtMost(0.25));
    Metric {
        name: "join".into(),
        about: String::new(),
        unit: "node".into(),
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 10, smoke: 10 },
        named_only: false,
        ours: "ours".into(),
        peers: vec![Peer { name: "peer".into(), required, stretch: None }],
        baseline: baseline.map(Into::into),
    }
}

/// Six rounds of ten units of each contender, which takes so many nanoseconds.
fn series(metric: &Metric, wall_ns: &[u64]) -> Series {
    let sample = |wall_ns| {
        (0..6).map(move |round| Timed {
            round,
            repetition: 0,
            quarantined: false,
            slice: None,
            wall_ns,
            cpu_ns: 1,
            bytes: None,
        })
    };
    let contenders = std::iter::zip(metric.contenders(), wall_ns);
    let contenders = contenders.map(|(name, &wall_ns)| Contender {
        samples: sample(wall_ns).collect(),
        ..Contender::new(name)
    });
    Series {
        name: metric.name.clone(),
        about: String::new(),
        unit: metric.unit.clone(),
        cost: metric.cost,
        units: Some(10),
        contenders: contenders.collect(),
    }
}

#[test]
fn the_baseline_is_subtracted_and_is_no_peer() {
    let plain = above(None);
    let rows_of = |metric: &Metric, wall_ns: &[u64]| rows(metric, &series(metric, wall_ns), 6);
    let [whole] = &rows_of(&plain, &[30, 120])[..] else { panic!("one peer, one row") };
    assert_eq!((whole.met, &whole.above), (Some(true), &None));
    let less = above(Some("serial"));
    let [row] = &rows_of(&less, &[30, 120, 20])[..] else { panic!("one peer, one row") };
    assert!(row.ratio.is_some_and(|ratio| (ratio - 0.1).abs() < 1e-9), "{row:?}");
    assert_eq!((row.ours, row.peer, row.met), (Some(3.0), Some(12.0), Some(true)));
    let above = row.above.as_ref().expect("there is a baseline");
    assert_eq!((above.cost, above.ours, above.peer), (Some(2.0), Some(1.0), Some(10.0)));
    assert!(above.told && above.baseline == "serial", "{above:?}");
    let [missed] = &rows_of(&less, &[50, 120, 20])[..] else { panic!("one peer, one row") };
    assert_eq!(missed.met, Some(false), "0.3 of what is above it, though 0.42 as a whole");
}

#[test]
fn without_the_baseline_nothing_is_judged() {
    let metric = above(Some("serial"));
    let mut series = series(&metric, &[30, 120, 20]);
    series.contenders[2].samples.clear();
    let [row] = &rows(&metric, &series, 6)[..] else { panic!("one peer, one row") };
    assert_eq!((row.met, row.ratio, row.rounds), (None, None, 0));
    assert_eq!((row.ours, row.peer), (Some(3.0), Some(12.0)), "their costs are known");
}

/// A metric of two peers whose contenders take five slices of ten units by turns, with these costs beside
/// each peer: ours, the peer and the baseline, for each slice.
fn sliced(beside: [[[u64; 3]; 5]; 2]) -> (Metric, Series) {
    let mut metric = above(Some("serial"));
    metric.amount = Amount::Sliced { first: 10, step: 10, slices: 5 };
    metric.peers.push(Peer { name: "other".into(), required: None, stretch: None });
    let mut series = series(&metric, &[]);
    series.contenders = metric.contenders().map(Contender::new).collect();
    for (peer, slices) in (1..).zip(beside) {
        for (round, (slice, costs)) in
            (0..6).flat_map(|round| slices.iter().enumerate().map(move |one| (round, one)))
        {
            for (place, &wall_ns) in std::iter::zip([0, peer, 3], costs) {
                series.contenders[place].samples.push(Timed {
                    round,
                    repetition: 0,
                    quarantined: false,
                    slice: Some(Slice { beside: peer, slice }),
                    // Each round is another machine.
                    wall_ns: wall_ns * (round as u64 + 1),
                    cpu_ns: 1,
                    bytes: None,
                });
            }
        }
    }
    (metric, series)
}

#[test]
fn differences_are_those_within_slices_beside_the_peer() {
    // The machine changes from slice to slice by much more than what is to be told, and once others
    // have the processor.
    let bases = [2_000, 3_000, 2_000, 4_000, 2_500];
    let costs = |ours: u64, peer: u64| bases.map(|base| [base + ours, base + peer, base]);
    let mut first = costs(100, 500);
    first[3][1] = 90_000;
    let (metric, series) = sliced([first, costs(300, 400)]);
    let [row, other] = &rows(&metric, &series, 6)[..] else { panic!("two peers, two rows") };
    assert!(same(row.ratio, 0.2) && same(other.ratio, 0.75), "{row:?} {other:?}");
    assert_eq!((row.met, row.rounds), (Some(true), 6));
    let above = row.above.as_ref().expect("there is a baseline");
    // The median of one to six times.
    assert!(same(above.ours, 35.0) && same(above.peer, 175.0), "{above:?}");
    assert!(same(above.cost, 875.0) && same(row.ours, 910.0), "{row:?}");
}

#[test]
fn slices_of_a_repetition_that_was_disturbed_do_not_count() {
    let costs = [[2_100, 2_500, 2_000]; 5];
    let (metric, mut series) = sliced([costs, costs]);
    for contender in &mut series.contenders[..1] {
        let disturbed =
            |sample: &Timed| Timed { repetition: 1, quarantined: true, wall_ns: 77_777, ..*sample };
        let disturbed: Vec<Timed> = contender.samples.iter().map(disturbed).collect();
        contender.samples.splice(0..0, disturbed);
    }
    let [row, _] = &rows(&metric, &series, 6)[..] else { panic!("two peers, two rows") };
    assert!(same(row.ratio, 0.2), "{row:?}");
}
