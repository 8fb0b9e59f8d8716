//! From samples to rows.

use crate::{
    exit::Exit,
    stats::{self, Interval, Level, median},
};

use super::{
    compared::Compared,
    contract::{Metric, Peer},
    goal::Goal,
    record::{Above, Bounds, Contender, Per, Row, Run, Series},
};

/// Ours against each peer of this metric.
pub(super) fn rows(metric: &Metric, series: &Series, rounds: usize) -> Vec<Row> {
    let Some((ours, others)) = series.contenders.split_first() else { return Vec::new() };
    // The baseline comes after the peers.
    let baseline = metric.baseline.as_ref().and_then(|_| others.last());
    let per = series.units.map(|units| Per { cost: metric.cost, units });
    let all = std::iter::zip(&metric.peers, others).enumerate();
    all.map(|(before, (peer, theirs))| {
        // Ours comes before the peers.
        let beside = Beside { per, rounds, peer: before + 1 };
        row(metric, peer, [ours, theirs], baseline, beside)
    })
    .collect()
}

/// The cost of a unit in each round, in nanoseconds.
type Costs = Vec<Option<f64>>;

/// Where the costs of a comparison are taken from.
#[derive(Clone, Copy, Debug)]
struct Beside {
    /// What is divided by what; `None`: it is not known, and there are no costs.
    per: Option<Per>,
    /// The rounds that were planned.
    rounds: usize,
    /// The place of the peer among the contenders.
    peer: usize,
}

impl Beside {
    /// Those of a contender.
    fn costs(self, contender: &Contender) -> Costs {
        self.per.map_or(Vec::new(), |per| contender.costs(per, self.rounds, self.peer))
    }

    /// Those of a contender above those of another one.
    fn beyond(self, contender: &Contender, base: &Contender) -> Costs {
        self.per.map_or(Vec::new(), |per| contender.beyond(base, per, self.rounds, self.peer))
    }
}

/// Ours against this peer.
fn row(
    metric: &Metric,
    peer: &Peer,
    contenders: [&Contender; 2],
    baseline: Option<&Contender>,
    beside: Beside,
) -> Row {
    let [ours, theirs] = contenders.map(|contender| beside.costs(contender));
    let base = baseline.map(|contender| beside.costs(contender));
    let compared = match (baseline, &base) {
        (Some(contender), Some(base)) if metric.amount.slices(false).is_some() => {
            let [ours, theirs] = contenders.map(|above| beside.beyond(above, contender));
            Compared::above(&ours, &theirs, base)
        }
        _ => Compared::new(&ours, &theirs, base.as_deref()),
    };
    let met = |goal: Option<Goal>| {
        goal.filter(|_| compared.rounds() > 0).and_then(|goal| goal.met(&compared, &known(&ours)))
    };
    Row {
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        cost: metric.cost,
        ours: median(&known(&ours)),
        peer: median(&known(&theirs)),
        peer_name: peer.name.clone(),
        above: metric
            .baseline
            .as_ref()
            .zip(base)
            .map(|(name, costs)| above(name, &costs, &compared)),
        ratio: compared.ratio(),
        interval: compared.interval().map(bounds),
        rounds: compared.rounds(),
        required: peer.required,
        stretch: peer.stretch,
        met: met(peer.required),
        stretch_met: met(peer.stretch),
    }
}

/// The costs of the rounds in which there are some.
fn known(costs: &Costs) -> Vec<f64> {
    costs.iter().copied().flatten().collect()
}

/// The baseline with these costs, and what is above it.
fn above(name: &str, costs: &Costs, compared: &Compared) -> Above {
    let differences = match compared {
        Compared::Above(above) => Some(above),
        Compared::Whole(_) => None,
    };
    Above {
        baseline: name.into(),
        cost: median(&known(costs)),
        ours: differences.and_then(stats::Above::a),
        peer: differences.and_then(stats::Above::b),
        told: differences.is_some_and(stats::Above::is_told),
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
mod tests;
