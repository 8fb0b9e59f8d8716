//! Two lanes compared on one metric, round by round.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    compare::{
        question::{CONTROL, CONTROLLED},
        record::{Cell, Phase, Run, Sample},
    },
    stats::{Band, Level, Line, Noise, Paired, Verdict, paired},
};

/// What is compared; less is better in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Wall-clock time of the run.
    Wall,
    /// Processor time of the run.
    Cpu,
    /// Memory for each unit that waits: the slope over the points of the workload.
    MemoryPerUnit,
}

/// How two lanes compare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The median of the paired ratios, first lane over second.
    pub ratio: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// The probability with which the interval covers the median; `None`: it is the range of too
    /// few rounds.
    pub coverage: Option<f64>,
    /// Rounds in which both were measured.
    pub rounds: usize,
    /// Ratios up to one plus this count as equal.
    pub band: f64,
    /// What it comes to.
    pub judgement: Judgement,
}

/// What a comparison comes to, for the first lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It needs less than the second.
    Faster,
    /// It needs more than the second.
    Slower,
    /// The two are as good as equal.
    Tie,
    /// The measurements do not tell.
    Inconclusive,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Faster => Self::Faster,
            Verdict::Slower => Self::Slower,
            Verdict::Tie => Self::Tie,
            Verdict::Inconclusive => Self::Inconclusive,
        }
    }
}

/// The widest band within which lanes count as equal: beyond it the machine is too noisy to say so.
const WIDEST_TIE: f64 = 0.25;

/// How noisy wall-clock times are at a point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// By how much a lane differed from itself (A/A), as a share; `None`: it was not compared with
    /// itself.
    pub control: Option<f64>,
    /// Lanes have to differ by more than this to count as different.
    pub band: f64,
    /// Whether the band is narrow enough for lanes within it to count as equal.
    pub ties: bool,
}

impl Floor {
    /// The floor at a point.
    pub(super) fn at(run: &Run, place: (&str, &str)) -> Self {
        let noise = noise(run, place, Metric::Wall);
        let band = Band::over(noise);
        Self { control: noise.map(Noise::half_width), band: band.width(), ties: can_tie(band) }
    }
}

/// Whether lanes within a band count as equal.
fn can_tie(band: Band) -> bool {
    band.width() <= WIDEST_TIE
}

impl Comparison {
    /// Compares lane `a` with lane `b` at one point of a workload; `None` unless both were measured
    /// and verified.
    pub fn between(
        run: &Run,
        place: (&str, &str),
        metric: Metric,
        a: &str,
        b: &str,
    ) -> Option<Self> {
        let (of_a, of_b) = (per_round(run, place, metric, a)?, per_round(run, place, metric, b)?);
        let paired = paired(&of_a, &of_b);
        let interval = paired.interval()?;
        let band = Band::over(noise(run, place, metric));
        let coverage = match interval.level {
            Level::Sign { coverage } => Some(coverage),
            Level::Range => None,
        };
        Some(Self {
            ratio: paired.ratio()?,
            low: interval.low,
            high: interval.high,
            coverage,
            rounds: paired.rounds(),
            band: band.width(),
            judgement: judged(Verdict::of(&paired, band), band),
        })
    }
}

/// What a verdict comes to; a tie within too wide a band says nothing.
fn judged(verdict: Verdict, band: Band) -> Judgement {
    match verdict {
        Verdict::Tie if !can_tie(band) => Judgement::Inconclusive,
        verdict => verdict.into(),
    }
}

/// The noise floor at a point: the control against the lane it repeats, in rounds that are not
/// judged.
fn noise(run: &Run, place: (&str, &str), metric: Metric) -> Option<Noise> {
    Noise::of(&control(run, place, metric)?)
}

/// The A/A comparison at a point.
fn control(run: &Run, (workload, point): (&str, &str), metric: Metric) -> Option<Paired> {
    if metric == Metric::MemoryPerUnit {
        return None;
    }
    let values = |lane| Some(in_phase(run.cell(workload, point, lane)?, Phase::Control, metric));
    Some(paired(&values(CONTROLLED)?, &values(CONTROL)?))
}

/// The widest half-width among the wall-clock controls of the run.
pub fn control_half_width(run: &Run) -> Option<f64> {
    let places: BTreeSet<_> =
        run.cells.iter().map(|cell| (cell.workload.as_str(), cell.point.as_str())).collect();
    let widths = places
        .into_iter()
        .filter_map(|place| noise(run, place, Metric::Wall))
        .map(Noise::half_width);
    widths.max_by(f64::total_cmp)
}

/// A lane's value of each judged round.
fn per_round(
    run: &Run,
    (workload, point): (&str, &str),
    metric: Metric,
    lane: &str,
) -> Option<Vec<Option<f64>>> {
    if metric == Metric::MemoryPerUnit {
        return memory_per_unit(run, workload, lane);
    }
    let cell = run.cell(workload, point, lane).filter(|cell| cell.is_verified())?;
    Some(in_phase(cell, Phase::Judged, metric))
}

/// A cell's value of each round of a phase.
fn in_phase(cell: &Cell, phase: Phase, metric: Metric) -> Vec<Option<f64>> {
    let samples = cell.samples.iter().filter(|sample| sample.phase == phase && !sample.quarantined);
    let mut values = Vec::new();
    for sample in samples {
        if values.len() <= sample.round {
            values.resize(sample.round + 1, None);
        }
        values[sample.round] = value(sample, metric);
    }
    values
}

/// The value of a sample.
fn value(sample: &Sample, metric: Metric) -> Option<f64> {
    match metric {
        Metric::Wall => Some(sample.wall_ns as f64),
        Metric::Cpu => sample.cpu_ns.map(|ns| ns as f64),
        Metric::MemoryPerUnit => sample.peak_pss_bytes.map(|bytes| bytes as f64),
    }
}

/// The slope of memory over units, per round, through all points of the workload.
fn memory_per_unit(run: &Run, workload: &str, lane: &str) -> Option<Vec<Option<f64>>> {
    let cells: Vec<&Cell> =
        run.cells.iter().filter(|cell| cell.workload == workload && cell.lane == lane).collect();
    let rounds =
        cells.iter().flat_map(|cell| cell.judged()).map(|sample| sample.round + 1).max()?;
    let slope = |round: usize| {
        let in_round = |cell: &&Cell| cell.judged().find(|sample| sample.round == round).cloned();
        let samples = cells.iter().filter(|cell| cell.is_verified()).filter_map(in_round);
        let points = samples.filter_map(|sample| {
            Some((sample.units as f64, value(&sample, Metric::MemoryPerUnit)?))
        });
        Line::through(&points.collect::<Vec<_>>())
            .map(|line| line.slope)
            .filter(|slope| *slope > 0.0)
    };
    Some((0..rounds).map(slope).collect())
}

/// A lane's median of a metric at a point, over the judged rounds.
pub(in crate::compare) fn median_of(
    run: &Run,
    place: (&str, &str),
    metric: Metric,
    lane: &str,
) -> Option<f64> {
    let values: Vec<f64> = per_round(run, place, metric, lane)?.into_iter().flatten().collect();
    crate::stats::median(&values)
}
