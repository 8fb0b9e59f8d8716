//! What survives: the answer of `fault.matrix`.

use crate::compare::{
    question,
    record::{Cell, HostFate, Run},
};

use super::answers::{Answer, SIMPLEST_FIRST};

/// The workload.
pub(in crate::compare) const WORKLOAD: &str = "fault.matrix";

/// Whether a fault cost nothing but the task that went wrong, which was named, and the lane worked
/// on.
pub(in crate::compare) fn survived(cell: &Cell) -> Option<bool> {
    let fault = cell.fault.as_ref()?;
    let whole = fault.survivors == fault.healthy && fault.host == HostFate::Alive;
    Some(whole && fault.culprit_named && fault.recovered)
}

/// Which lane survives most, the simplest of them when several do; none when fewer than two lanes
/// that somebody would deploy were tried.
pub(super) fn answer(run: &Run) -> Option<Answer> {
    let cells: Vec<&Cell> =
        run.cells.iter().filter(|cell| cell.workload == WORKLOAD && cell.fault.is_some()).collect();
    let mut lanes: Vec<&str> = Vec::new();
    for cell in &cells {
        if !lanes.contains(&cell.lane.as_str()) {
            lanes.push(&cell.lane);
        }
    }
    let survives = |lane: &str| -> Vec<&str> {
        let of_lane = cells.iter().filter(|cell| cell.lane == lane && survived(cell) == Some(true));
        of_lane.map(|cell| cell.point.as_str()).collect()
    };
    let candidates: Vec<&str> =
        SIMPLEST_FIRST.into_iter().filter(|lane| lanes.contains(lane)).collect();
    let most = candidates.iter().map(|lane| survives(lane).len()).max()?;
    if candidates.len() < 2 {
        return None;
    }
    let best: Vec<&str> =
        candidates.into_iter().filter(|lane| survives(lane).len() == most).collect();
    let listed: Vec<String> =
        lanes.iter().map(|lane| format!("{lane}: {}", list(&survives(lane)))).collect();
    let (lane, text) = verdict(&best, &survives);
    Some(Answer {
        workload: WORKLOAD.into(),
        point: String::new(),
        lane: lane.map(str::to_owned),
        task: question::about(WORKLOAD)?.task.into(),
        text,
        why: format!("what cost each lane one task and no more: {}", listed.join("; ")),
        rivals: Vec::new(),
        floor: None,
    })
}

/// The lane to use, if any, and the answer in words, where `best` are the lanes that survive most,
/// the simplest first.
fn verdict<'a>(
    best: &[&'a str],
    survives: &dyn Fn(&str) -> Vec<&'a str>,
) -> (Option<&'a str>, String) {
    let simplest = best[0];
    let faults = survives(simplest);
    if faults.is_empty() {
        return (None, "no lane does: each loses more than the task that went wrong".into());
    }
    let only = format!("only the task that went wrong is lost after {}", list(&faults));
    let text = if let [_, others @ ..] = best
        && !others.is_empty()
    {
        let others = others.join(", ");
        format!("use {simplest}: {only}; a tie with {others}: take the simplest")
    } else {
        format!("use {simplest}: {only}")
    };
    (Some(simplest), text)
}

/// Names in a row; "nothing" when there are none.
fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}
