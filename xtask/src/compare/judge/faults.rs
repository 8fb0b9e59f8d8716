//! What survives: the answer of `fault.matrix`.

use crate::compare::{
    question,
    record::{Cell, HostFate, Run},
};

use super::answers::Answer;

/// The workload.
pub(in crate::compare) const WORKLOAD: &str = "fault.matrix";

/// Whether a fault cost nothing but the task that went wrong, which was named, and the lane worked
/// on.
pub(in crate::compare) fn survived(cell: &Cell) -> Option<bool> {
    let fault = cell.fault.as_ref()?;
    let whole = fault.survivors == fault.healthy && fault.host == HostFate::Alive;
    Some(whole && fault.culprit_named && fault.recovered)
}

/// Which lane survives most; none when no fault was provoked.
pub(super) fn answer(run: &Run) -> Option<Answer> {
    let cells: Vec<&Cell> =
        run.cells.iter().filter(|cell| cell.workload == WORKLOAD && cell.fault.is_some()).collect();
    let mut lanes: Vec<&str> = Vec::new();
    for cell in &cells {
        if !lanes.contains(&cell.lane.as_str()) {
            lanes.push(&cell.lane);
        }
    }
    let points_survived = |lane: &str| -> Vec<&str> {
        let of_lane = cells.iter().filter(|cell| cell.lane == lane && survived(cell) == Some(true));
        of_lane.map(|cell| cell.point.as_str()).collect()
    };
    let best = lanes.iter().copied().reduce(|best, lane| {
        if points_survived(lane).len() > points_survived(best).len() { lane } else { best }
    })?;
    let ties = lanes
        .iter()
        .filter(|lane| points_survived(lane).len() == points_survived(best).len())
        .count();
    let lane = (ties == 1).then(|| best.to_owned());
    let listed: Vec<String> =
        lanes.iter().map(|lane| format!("{lane}: {}", list(&points_survived(lane)))).collect();
    let text = match &lane {
        Some(lane) => format!(
            "use {lane}: only the task that went wrong is lost after {}",
            list(&points_survived(lane))
        ),
        None => "no lane survives more than every other".into(),
    };
    Some(Answer {
        workload: WORKLOAD.into(),
        point: String::new(),
        lane,
        task: question::about(WORKLOAD)?.task.into(),
        text,
        why: format!("survived with everything else intact, {}", listed.join("; ")),
        rivals: Vec::new(),
    })
}

/// Names in a row; "nothing" when there are none.
fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}
