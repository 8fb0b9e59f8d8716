//! Which lane to use, for each point of each workload.

use serde::{Deserialize, Serialize};

use crate::compare::{
    question::{self, CONTROL},
    record::{Cell, Run},
};

use super::{
    faults,
    series::{Comparison, Floor, Judgement, Metric, median_of},
    words,
};

/// Lanes that somebody would deploy, the simplest first: of lanes that tie, the simplest is named. Peers
/// come last, for a peer is one library more to know; they are named where they are better.
pub(in crate::compare) const SIMPLEST_FIRST: [&str; 10] = [
    "seq",
    "threads",
    "evented",
    "evented+offload",
    "evented x threads",
    "processes",
    "std",
    "rayon",
    "chili",
    "tokio",
];

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
    /// What the question is about at this point: "to ...".
    pub task: String,
    /// The answer in words.
    pub text: String,
    /// Why, in words.
    pub why: String,
    /// The other lanes, compared with the one to use.
    pub rivals: Vec<Rival>,
    /// The noise floor below this answer; `None` where nothing was timed.
    pub floor: Option<Floor>,
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
    let task = question::about(place.0)?.task_at(place.1);
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
        task,
        text: if decided { text(chosen, &rivals) } else { undecided(chosen, &rivals) },
        why: if decided {
            why(run, place, chosen, &rivals)
        } else {
            "no difference is larger than the noise".into()
        },
        rivals,
        floor: Some(Floor::at(run, place)),
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
    let of = |judgement| -> Vec<&Rival> {
        rivals.iter().filter(|rival| rival.wall.judgement == judgement).collect()
    };
    let mut slower = of(Judgement::Faster);
    slower.sort_by_key(|rival| rival.lane != DENOMINATOR);
    let mut parts: Vec<String> =
        slower.iter().map(|rival| words::speed(&rival.wall, &rival.lane)).collect();
    let ahead = of(Judgement::Slower);
    if !ahead.is_empty() {
        parts.push(format!("slower than {}, but as good as the fastest", names(&ahead)));
    }
    parts.extend(near(chosen, &of(Judgement::Tie), &of(Judgement::Inconclusive)));
    format!("use {chosen}: {}", parts.join("; "))
}

/// The lanes that are as good as the chosen one, or may be; `None` when there are none.
fn near(chosen: &str, ties: &[&Rival], unclear: &[&Rival]) -> Option<String> {
    let parts: Vec<String> = [("a tie with", ties), ("not told apart from", unclear)]
        .into_iter()
        .filter(|(_, rivals)| !rivals.is_empty())
        .map(|(what, rivals)| format!("{what} {}", names(rivals)))
        .collect();
    let is_simplest = ties.iter().chain(unclear).all(|rival| is_simpler(chosen, &rival.lane));
    let advice = if is_simplest { ": take the simplest" } else { "" };
    (!parts.is_empty()).then(|| format!("{}{advice}", parts.join(", and ")))
}

/// Whether a lane is simpler than another.
fn is_simpler(lane: &str, other: &str) -> bool {
    simplicity(lane) < simplicity(other)
}

/// The place of a lane among the [`SIMPLEST_FIRST`]; others come last.
fn simplicity(lane: &str) -> usize {
    SIMPLEST_FIRST.iter().position(|known| *known == lane).unwrap_or(SIMPLEST_FIRST.len())
}

/// The names of lanes in a row.
fn names(rivals: &[&Rival]) -> String {
    rivals.iter().map(|rival| rival.lane.as_str()).collect::<Vec<_>>().join(", ")
}

/// That the measurements do not tell, and what to do about it.
fn undecided(chosen: &str, rivals: &[Rival]) -> String {
    let others = names(&rivals.iter().collect::<Vec<_>>());
    // A single round says nothing, however large the difference.
    if rivals.iter().all(|rival| rival.wall.rounds < 2) {
        return format!("one round cannot tell {chosen} from {others}: measure more (--rounds 6)");
    }
    format!(
        "the measurements do not tell {chosen} from {others}: measure again, with more rounds \
         (--rounds) or with less beside it on this machine"
    )
}

/// Cores kept busy below which a run mostly waits.
const MOSTLY_WAITS: f64 = 0.5;

/// Why the chosen lane wins, as far as the counters say.
fn why(run: &Run, place: (&str, &str), chosen: &str, rivals: &[Rival]) -> String {
    let medians = |lane: &str| {
        let wall = median_of(run, place, Metric::Wall, lane)?;
        Some((wall, median_of(run, place, Metric::Cpu, lane)?))
    };
    let Some((wall, cpu)) = medians(chosen) else {
        return "processor time was not measured".into();
    };
    let busy = |cores: f64| format!("keeps {} cores busy", words::digits(cores));
    let waits = cpu / wall < MOSTLY_WAITS;
    let mut parts = vec![if waits {
        format!("{chosen} mostly waits, for all at the same time")
    } else {
        format!("{chosen} {}", busy(cpu / wall))
    }];
    let costs = |lane: &str| {
        let (other_wall, other_cpu) = medians(lane)?;
        let cores = other_cpu / other_wall;
        Some(if waits && cores < MOSTLY_WAITS {
            format!("{lane} waits for less at the same time")
        } else if other_cpu > cpu * 1.1 {
            format!("{lane} spends {}x as much processor time", words::digits(other_cpu / cpu))
        } else {
            format!("{lane} {}", busy(cores))
        })
    };
    let losers = rivals.iter().filter(|rival| rival.wall.judgement == Judgement::Faster);
    parts.extend(losers.filter_map(|rival| costs(&rival.lane)));
    parts.join("; ")
}
