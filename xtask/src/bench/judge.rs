//! From samples to rows.

use crate::{
    exit::Exit,
    stats::{Interval, Level, median, paired},
};

use super::{
    contract::{Metric, Peer},
    record::{Bounds, Contender, Row, Run, Series},
};

/// Ours against each peer of this metric.
pub(super) fn rows(metric: &Metric, series: &Series, rounds: usize) -> Vec<Row> {
    let Some((ours, peers)) = series.contenders.split_first() else { return Vec::new() };
    std::iter::zip(&metric.peers, peers)
        .map(|(peer, measured)| row(metric, peer, series.units, [ours, measured], rounds))
        .collect()
}

/// Ours against this peer.
fn row(
    metric: &Metric,
    peer: &Peer,
    units: Option<u64>,
    contenders: [&Contender; 2],
    rounds: usize,
) -> Row {
    let costs = |contender: &Contender| {
        units.map_or(Vec::new(), |units| contender.costs(metric.cost, units, rounds))
    };
    let [ours, theirs] = contenders.map(costs);
    let compared = paired(&ours, &theirs);
    let known = |costs: &[Option<f64>]| costs.iter().copied().flatten().collect::<Vec<_>>();
    let met = |goal: Option<super::goal::Goal>| {
        goal.filter(|_| compared.rounds() > 0).and_then(|goal| goal.met(&compared, &known(&ours)))
    };
    Row {
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        cost: metric.cost,
        ours: median(&known(&ours)),
        peer: median(&known(&theirs)),
        peer_name: peer.name.clone(),
        ratio: compared.ratio(),
        interval: compared.interval().map(bounds),
        rounds: compared.rounds(),
        required: peer.required,
        stretch: peer.stretch,
        met: met(peer.required),
        stretch_met: met(peer.stretch),
    }
}

/// An interval as it is recorded.
fn bounds(interval: Interval) -> Bounds {
    let coverage = match interval.level {
        Level::Sign { coverage } => Some(coverage),
        Level::Range => None,
    };
    Bounds { low: interval.low, high: interval.high, coverage }
}

/// How a complete run ends. Goals count only behind a gate.
pub(super) fn exit(run: &Run, gate: bool) -> Exit {
    let contenders = run.metrics.iter().flat_map(|series| &series.contenders);
    let measured = contenders.map(|contender| match &contender.problem {
        None => Exit::Ok,
        Some(problem) if problem.wrong => Exit::WrongOutput,
        Some(_) => Exit::Failed,
    });
    let required = run.rows.iter().filter(|row| gate && row.required.is_some());
    let goals = required.map(|row| match row.met {
        Some(true) => Exit::Ok,
        Some(false) => Exit::GoalMissed,
        None => Exit::Inconclusive,
    });
    measured.chain(goals).fold(Exit::Ok, Exit::worse)
}

#[cfg(test)]
mod tests {
    use crate::{
        bench::{
            contract::{Amount, Cost},
            goal::Goal,
            record::{Problem, SCHEMA, Timed},
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
            amount: Amount::Calibrated { first: 1 },
            named_only: false,
            ours: "ours".into(),
            peers: vec![Peer { name: "peer".into(), required, stretch }],
        }
    }

    /// A contender with these wall-clock times, one for each round, and a tenth of the processor
    /// time.
    fn contender(wall_ns: &[u64]) -> Contender {
        let samples = wall_ns.iter().enumerate().map(|(round, &wall_ns)| Timed {
            round,
            quarantined: false,
            wall_ns,
            cpu_ns: wall_ns / 10,
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
    }

    #[test]
    fn ratios_are_of_the_same_round_and_without_repetitions() {
        let slower = [100, 200, 400, 800, 1_600, 3_200];
        let mut ours = contender(&slower.map(|ns| ns / 4));
        for round in 0..6 {
            let (quarantined, wall_ns, cpu_ns) = (true, 9_999, 9_999);
            ours.samples.insert(0, Timed { round, quarantined, wall_ns, cpu_ns });
            ours.samples.push(Timed { round, quarantined, wall_ns, cpu_ns });
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
            rounds: 6,
            finish: Finish::Complete,
            environment: std::collections::BTreeMap::new(),
            noise: Noise::default(),
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
        let problem = |wrong| Contender {
            problem: Some(Problem { wrong, why: "on purpose".into() }),
            ..slow()
        };
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
}
