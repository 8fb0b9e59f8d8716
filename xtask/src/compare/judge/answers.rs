//! Which lane to use, for each point of each workload.

use serde::{Deserialize, Serialize};

use crate::compare::{
    question::{self, CONTROL},
    record::{Cell, Run},
};

use super::{
    faults,
    series::{Comparison, Judgement, Metric, median_of},
    words,
};

/// Lanes that somebody would deploy, the simplest first: of lanes that tie, the simplest is named.
const SIMPLEST_FIRST: [&str; 6] =
    ["seq", "threads", "evented", "evented+offload", "evented x threads", "processes"];

/// The lane that others are compared with, where it ran.
const DENOMINATOR: &str = "seq";

/// The answer to the question of one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The workload.
    pub workload: String,
    /// The point.
    pub point: String,
    /// The lane to use; `None`: the measurements do not say.
    pub lane: Option<String>,
    /// What the question is about: "to ...".
    pub task: String,
    /// The answer in words.
    pub text: String,
    /// Why, in words.
    pub why: String,
    /// The other lanes, compared with the one to use.
    pub rivals: Vec<Rival>,
}

/// Another lane, compared with the one to use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// Its name.
    pub lane: String,
    /// The lane to use over this one.
    pub wall: Comparison,
}

/// The answers to everything that was measured.
pub fn answers(run: &Run) -> Vec<Answer> {
    let mut places: Vec<(&str, &str)> = Vec::new();
    for cell in run.cells.iter().filter(|cell| cell.fault.is_none()) {
        let place = (cell.workload.as_str(), cell.point.as_str());
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let timed = places.into_iter().filter_map(|place| answer(run, place));
    timed.chain(faults::answer(run)).collect()
}

/// The answer at one point; `None` when fewer than two lanes were measured.
fn answer(run: &Run, place: (&str, &str)) -> Option<Answer> {
    let task = question::about(place.0)?.task;
    let lanes = measured_lanes(run, place);
    let fastest = *lanes.first().filter(|_| lanes.len() >= 2)?;
    let against =
        |lane: &str, other: &str| Comparison::between(run, place, Metric::Wall, lane, other);
    // The simplest lane that is as good as the fastest, or that was within the band in the median
    // and cannot be told from it.
    let good = |lane: &&str| **lane == *fastest || against(lane, fastest).is_some_and(is_as_good);
    let chosen = SIMPLEST_FIRST.into_iter().filter(|lane| lanes.contains(lane)).find(good)?;
    let rivals: Vec<Rival> = lanes
        .iter()
        .filter(|lane| **lane != chosen)
        .filter_map(|lane| Some(Rival { lane: (*lane).into(), wall: against(chosen, lane)? }))
        .collect();
    // Against lanes that cannot be told from it, its lead is luck.
    let decided = rivals.iter().any(|rival| rival.wall.judgement != Judgement::Inconclusive);
    Some(Answer {
        workload: place.0.into(),
        point: place.1.into(),
        lane: decided.then(|| chosen.into()),
        task: task.into(),
        text: if decided { text(chosen, &rivals) } else { undecided(chosen, &rivals) },
        why: if decided {
            why(run, place, chosen, &rivals)
        } else {
            "there is no difference to explain".into()
        },
        rivals,
    })
}

/// Whether a lane compares so well with the fastest that being simpler decides.
fn is_as_good(with_fastest: Comparison) -> bool {
    match with_fastest.judgement {
        Judgement::Tie => true,
        Judgement::Inconclusive => with_fastest.ratio <= 1.0 + with_fastest.band,
        Judgement::Faster | Judgement::Slower => false,
    }
}

/// The lanes that somebody would deploy and that were measured at a point, the fastest first.
fn measured_lanes<'a>(run: &'a Run, place: (&str, &str)) -> Vec<&'a str> {
    let here = |cell: &&Cell| {
        (cell.workload.as_str(), cell.point.as_str()) == place && cell.lane != CONTROL
    };
    let deployable = |cell: &&Cell| SIMPLEST_FIRST.contains(&cell.lane.as_str());
    let with_time = |cell: &'a Cell| {
        Some((median_of(run, place, Metric::Wall, &cell.lane)?, cell.lane.as_str()))
    };
    let mut lanes: Vec<_> =
        run.cells.iter().filter(here).filter(deployable).filter_map(with_time).collect();
    lanes.sort_by(|a, b| a.0.total_cmp(&b.0));
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

/// What to use, and by how much.
fn text(chosen: &str, rivals: &[Rival]) -> String {
    let named = |judgement| {
        let of = rivals
            .iter()
            .filter(move |rival| rival.wall.judgement == judgement && rival.lane != DENOMINATOR);
        of.map(|rival| rival.lane.as_str()).collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    if let Some(rival) = rivals.iter().find(|rival| rival.lane == DENOMINATOR) {
        parts.push(words::speed(&rival.wall, DENOMINATOR));
    }
    let slower = rivals
        .iter()
        .filter(|rival| rival.lane != DENOMINATOR && rival.wall.judgement == Judgement::Faster);
    parts.extend(slower.map(|rival| words::speed(&rival.wall, &rival.lane)));
    for (judgement, what) in [
        (Judgement::Tie, "as good as equal"),
        (Judgement::Inconclusive, "cannot be told apart"),
        (Judgement::Slower, "faster, but within the noise of the fastest"),
    ] {
        let lanes = named(judgement);
        if !lanes.is_empty() {
            parts.push(format!("{what}: {}", lanes.join(", ")));
        }
    }
    format!("use {chosen}: {}", parts.join("; "))
}

/// That the measurements do not tell.
fn undecided(fastest: &str, rivals: &[Rival]) -> String {
    let others: Vec<&str> = rivals.iter().map(|rival| rival.lane.as_str()).collect();
    let others = others.join(", ");
    // A single round says nothing, however large the difference.
    if rivals.iter().all(|rival| rival.wall.rounds < 2) {
        return format!("too few rounds to tell: {fastest} was ahead of {others} in the only one");
    }
    format!(
        "the measurements do not tell: {fastest} leads in the median, but not beyond the noise, over {others}"
    )
}

/// Why the chosen lane wins, as far as the counters say.
fn why(run: &Run, place: (&str, &str), chosen: &str, rivals: &[Rival]) -> String {
    let medians = |lane: &str| {
        let wall = median_of(run, place, Metric::Wall, lane)?;
        Some((wall, median_of(run, place, Metric::Cpu, lane)?))
    };
    let Some((wall, cpu)) = medians(chosen) else {
        return "processor time was not measured".into();
    };
    let cores = cpu / wall;
    let mut parts = vec![format!("it keeps {} cores busy", words::digits(cores))];
    let costs = |lane: &str| {
        let (other_wall, other_cpu) = medians(lane)?;
        Some(if other_cpu > cpu * 1.1 {
            format!("{lane} spends {}x its processor time", words::digits(other_cpu / cpu))
        } else {
            format!("{lane} keeps {} busy", words::digits(other_cpu / other_wall))
        })
    };
    let losers = rivals.iter().filter(|rival| rival.wall.judgement == Judgement::Faster);
    parts.extend(losers.filter_map(|rival| costs(&rival.lane)));
    parts.join("; ")
}
