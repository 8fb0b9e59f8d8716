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
