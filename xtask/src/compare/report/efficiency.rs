//! How small a task may be: METG(50) of the lanes, where grains were measured.

use crate::{
    compare::{
        judge::{self, Metric, words},
        question::CONTROL,
        record::{Cell, Run},
    },
    stats::{Metg, metg},
};

use super::{
    grid::workloads,
    layout::{Look, Page},
};

/// The efficiency that is asked for.
const WANTED: f64 = 0.5;

/// The smallest effective grain of each lane.
pub(super) fn efficiency(page: &mut Page, run: &Run) {
    let Some(workers) = workers(run) else { return };
    for workload in workloads(run) {
        let grains = grains(run, workload, workers);
        if grains.is_empty() {
            continue;
        }
        page.heading(&format!("How small a task may be ({workload}): METG(50)"));
        page.paragraph(
            2,
            &format!(
                "the smallest average task at which a lane is half as efficient as could be, \
                 where efficiency is the time of the sequential lane of the same language over \
                 {workers} workers times the time"
            ),
        );
        let width = grains.iter().map(|(lane, _)| lane.len()).max().unwrap_or(0);
        for (lane, text) in grains {
            page.item(&format!("  {lane:<width$}  "), Look::Strong, &text);
        }
    }
}

/// How many workers the lanes had.
fn workers(run: &Run) -> Option<u32> {
    run.environment.get("workers")?.parse().ok().filter(|workers| *workers > 0)
}

/// Each lane of a workload that has grains, with its METG(50) in words.
pub(super) fn grains(run: &Run, workload: &str, workers: u32) -> Vec<(String, String)> {
    let cells = || run.cells.iter().filter(|cell| cell.workload == workload);
    let mut lanes: Vec<&Cell> = Vec::new();
    for cell in cells().filter(|cell| cell.grain_ns.is_some() && cell.lane != CONTROL) {
        if !lanes.iter().any(|known| known.lane == cell.lane) {
            lanes.push(cell);
        }
    }
    let of_lane = |lane: &Cell| {
        let sequential = sequential(run, workload, &lane.language)?;
        if sequential == lane.lane {
            return None;
        }
        let points: Vec<(f64, f64)> = cells()
            .filter(|cell| cell.lane == lane.lane)
            .filter_map(|cell| {
                let place = (workload, cell.point.as_str());
                let time = judge::median_of(run, place, Metric::Wall, &cell.lane)?;
                let alone = judge::median_of(run, place, Metric::Wall, sequential)?;
                Some((cell.grain_ns? as f64, alone / (f64::from(workers) * time)))
            })
            .collect();
        let largest = points.iter().map(|point| point.0).max_by(f64::total_cmp)?;
        let text = match metg(&points, WANTED) {
            Some(Metg::At(grain)) => words::time(grain),
            Some(Metg::AtMost(grain)) => {
                format!("{} or less: the smallest that was measured", words::time(grain))
            }
            None => format!("more than {}: the largest that was measured", words::time(largest)),
        };
        Some((lane.lane.clone(), text))
    };
    lanes.into_iter().filter_map(of_lane).collect()
}

/// The sequential lane of a language: `seq` or one whose name ends so.
fn sequential<'a>(run: &'a Run, workload: &str, language: &str) -> Option<&'a str> {
    let is = |cell: &&Cell| {
        cell.workload == workload
            && cell.language == language
            && (cell.lane == "seq" || cell.lane.ends_with("-seq"))
    };
    run.cells.iter().find(is).map(|cell| cell.lane.as_str())
}
