//! `bench.json`, schema `bench/1`: everything a bench measured, and what it makes of it.
//!
//! What was not measured is `null`, never 0. Fields may be added within a schema version; readers
//! ignore what they do not know.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    compare::record::{Finish, Noise},
    stats::median,
};

use super::{contract::Cost, goal::Goal};

/// The name of the schema.
pub const SCHEMA: &str = "bench/1";

/// One run of `cargo xtask bench`.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The model that is measured.
    pub model: String,
    /// When it began, UTC, ISO 8601.
    pub started: String,
    /// The revision of the sources, with `+` when they were changed; `None` outside a checkout.
    pub revision: Option<String>,
    /// The command line that runs it again.
    pub command: String,
    /// The seed of the order of samples.
    pub seed: u64,
    /// Whether only results were checked, with too little work for times.
    pub smoke: bool,
    /// Workers of each pool.
    pub workers: usize,
    /// Peers that are not installed here, a sentence for each.
    pub absent: Vec<String>,
    /// Rounds that were planned.
    pub rounds: usize,
    /// Whether everything that was planned was measured.
    pub finish: Finish,
    /// The machine.
    pub environment: BTreeMap<String, String>,
    /// How disturbed the measurements were; its rounds are those of each metric.
    pub noise: Noise,
    /// What has counted system calls; `None`: nothing has, or could.
    pub calls_by: Option<String>,
    /// Ours against each peer, in each metric.
    pub rows: Vec<Row>,
    /// What they were computed from.
    pub metrics: Vec<Series>,
}

/// Ours against one peer in one metric.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The metric.
    pub metric: String,
    /// What it counts.
    pub unit: String,
    /// What is judged.
    pub cost: Cost,
    /// Median cost of a unit of ours, in nanoseconds or bytes; `None` when it is not right.
    pub ours: Option<f64>,
    /// Median cost of a unit of the peer, in nanoseconds or bytes; `None` when it is not right.
    pub peer: Option<f64>,
    /// The peer.
    pub peer_name: String,
    /// What both cost above a baseline, if that is what the ratio is of.
    pub above: Option<Above>,
    /// Median of the ratios within rounds, ours by the peer's: below 1, ours needs less. `None`
    /// also when the peer costs nothing that can be told from the baseline.
    pub ratio: Option<f64>,
    /// Where the true median ratio may lie.
    pub interval: Option<Bounds>,
    /// Rounds that were compared.
    pub rounds: usize,
    /// What ours must achieve, if anything.
    pub required: Option<Goal>,
    /// What would be better still.
    pub stretch: Option<Goal>,
    /// Whether the required goal is met; `None`: there is none, or it cannot be judged.
    pub met: Option<bool>,
    /// The same of the stretch goal.
    pub stretch_met: Option<bool>,
}

/// What ours and a peer cost above a baseline, in nanoseconds or bytes: medians of the differences within
/// rounds. Below zero: it measured less than the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Above {
    /// The baseline.
    pub baseline: String,
    /// Its median cost of a unit.
    pub cost: Option<f64>,
    /// Ours.
    pub ours: Option<f64>,
    /// The peer's.
    pub peer: Option<f64>,
    /// Whether the peer's can be told from zero; otherwise there is no ratio.
    pub told: bool,
}

/// An interval of a ratio. Of a ratio of differences, a bound may be infinite: `null` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The probability with which it holds the true median, at least 0.95; `None`: there were too
    /// few rounds, and these are the smallest and the largest ratio.
    pub coverage: Option<f64>,
}

/// What was measured of a metric.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// The metric.
    pub name: String,
    /// What is measured.
    pub about: String,
    /// What it counts.
    pub unit: String,
    /// What is judged.
    pub cost: Cost,
    /// Units of each sample; `None`: this was not found out.
    pub units: Option<u64>,
    /// The contenders, ours first, and the baseline, if there is one, last.
    pub contenders: Vec<Contender>,
}

/// What was measured of a contender.
#[derive(Clone, Debug, Serialize)]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// Samples that were right, quarantined ones among them.
    pub samples: Vec<Timed>,
    /// The system calls of a unit, where they were counted.
    pub calls: Option<Calls>,
    /// What went wrong; none of its times are shown then.
    pub problem: Option<Problem>,
}

/// The system calls of a unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calls {
    /// All of them.
    pub all: f64,
    /// Those that were counted by name, without those of which there is less than one in a thousand units.
    pub named: BTreeMap<String, f64>,
}

/// What a sample has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timed {
    /// The round it belongs to.
    pub round: usize,
    /// The how many-th execution of that round it is from.
    pub repetition: usize,
    /// Whether others disturbed its round so much that a repetition of it is judged.
    pub quarantined: bool,
    /// Where it was taken by turns with other contenders.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
    /// Wall-clock time in nanoseconds.
    pub wall_ns: u64,
    /// Processor time in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes of memory, where that is what is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// A sample that was taken by turns with those of other contenders, in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// The peer for which that was done: its place among the contenders.
    pub beside: usize,
    /// The turn.
    pub slice: usize,
}

/// What went wrong with a contender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it did its work wrongly; otherwise it failed to say how it did it.
    pub wrong: bool,
    /// In words.
    pub why: String,
}

impl Contender {
    /// None measured yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), samples: Vec::new(), calls: None, problem: None }
    }

    /// The cost of a unit in each of `rounds` rounds, in nanoseconds or bytes: that of the one sample, or the
    /// median of the slices that were taken beside the contender in this place. None of them where something went wrong.
    pub fn costs(&self, per: Per, rounds: usize, beside: usize) -> Vec<Option<f64>> {
        (0..rounds).map(|round| median(&self.in_round(per, round, beside))).collect()
    }

    /// What a unit costs more than one of `base` in each round: the median of the differences between slices of
    /// the same turn.
    pub fn beyond(&self, base: &Self, per: Per, rounds: usize, beside: usize) -> Vec<Option<f64>> {
        let of = |round| {
            let (own, base) =
                (self.in_round(per, round, beside), base.in_round(per, round, beside));
            let differences: Vec<f64> =
                std::iter::zip(own, base).map(|(own, base)| own - base).collect();
            median(&differences)
        };
        (0..rounds).map(of).collect()
    }

    /// The costs of a unit in a round, one for each slice that was taken beside this peer; one in all if there
    /// are no slices.
    fn in_round(&self, per: Per, round: usize, beside: usize) -> Vec<f64> {
        let counts = |sample: &&Timed| {
            sample.round == round
                && !sample.quarantined
                && sample.slice.is_none_or(|slice| slice.beside == beside)
        };
        let total = |sample: &Timed| match per.cost {
            Cost::Wall => Some(sample.wall_ns),
            Cost::Cpu => Some(sample.cpu_ns),
            Cost::Bytes => sample.bytes,
        };
        let samples = self.samples.iter().filter(|_| self.problem.is_none()).filter(counts);
        samples.filter_map(total).map(|total| total as f64 / per.units as f64).collect()
    }
}

/// What is divided by what.
#[derive(Clone, Copy, Debug)]
pub struct Per {
    /// What is judged.
    pub cost: Cost,
    /// The units of a sample.
    pub units: u64,
}
