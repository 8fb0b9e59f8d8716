//! Lanes by questions: what the tables hold, before they are drawn.

use crate::compare::{
    judge,
    record::{Cell, Run},
};

use super::entry::{Entry, Shown};

/// A table whose rows are lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    /// The lane of each row.
    pub lanes: Vec<String>,
    /// The columns.
    pub columns: Vec<Column>,
}

/// A column of a [`Grid`].
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its heading, a line each.
    pub head: Vec<String>,
    /// An entry for each lane.
    pub entries: Vec<Entry>,
}

impl Grid {
    /// The grid without the row of a lane.
    pub(super) fn without(mut self, lane: &str) -> Self {
        if let Some(row) = self.lanes.iter().position(|name| name == lane) {
            self.lanes.remove(row);
            for column in &mut self.columns {
                column.entries.remove(row);
            }
        }
        self
    }
}

/// All lanes by all questions: one column each, at the point that [`main_point`] names.
pub(super) fn overview(run: &Run) -> Grid {
    let mut lanes: Vec<String> = Vec::new();
    for cell in &run.cells {
        if !lanes.contains(&cell.lane) {
            lanes.push(cell.lane.clone());
        }
    }
    let column = |workload: &str| {
        let (under, entries) = if workload == judge::FAULTS {
            ("survived", lanes.iter().map(|lane| faults_survived(run, lane)).collect())
        } else {
            let point = main_point(run, workload).unwrap_or_default();
            let entry = |lane: &String| at(run, (workload, point), lane, Shown::Wall);
            (value_of(point), lanes.iter().map(entry).collect())
        };
        let (family, name) = workload.split_once('.').unwrap_or(("", workload));
        Column { head: vec![format!("{family}."), name.into(), under.into()], entries }
    };
    let columns = workloads(run).into_iter().map(column).collect();
    Grid { lanes, columns }
}

/// The entry of a lane for all faults together.
fn faults_survived(run: &Run, lane: &str) -> Entry {
    let chosen = |answer: &judge::Answer| {
        answer.workload == judge::FAULTS && answer.lane.as_deref() == Some(lane)
    };
    Entry { chosen: run.answers.iter().any(chosen), ..Entry::faults_survived(run, lane) }
}

/// The lanes of one workload by its points, with processor time, and memory where it grows with
/// what waits.
pub(super) fn details(run: &Run, workload: &str) -> Grid {
    let cells: Vec<&Cell> = run.cells.iter().filter(|cell| cell.workload == workload).collect();
    let mut lanes: Vec<String> = Vec::new();
    let mut points: Vec<&str> = Vec::new();
    for cell in &cells {
        if !lanes.contains(&cell.lane) {
            lanes.push(cell.lane.clone());
        }
        if !points.contains(&cell.point.as_str()) {
            points.push(&cell.point);
        }
    }
    let column = |point: &str, shown| {
        let what = match shown {
            _ if workload == judge::FAULTS => "",
            Shown::Wall => "time",
            Shown::CpuSeconds => "CPU-s",
        };
        let entries = lanes.iter().map(|lane| at(run, (workload, point), lane, shown)).collect();
        Column { head: vec![value_of(point).into(), what.into()], entries }
    };
    let mut columns: Vec<Column> = points.iter().map(|point| column(point, Shown::Wall)).collect();
    if workload != judge::FAULTS {
        columns.extend(main_point(run, workload).map(|point| column(point, Shown::CpuSeconds)));
    }
    let memory: Vec<Option<Entry>> =
        lanes.iter().map(|lane| Entry::memory_per_unit(run, workload, lane)).collect();
    if is_sized_by_tasks(&cells) && memory.iter().any(Option::is_some) {
        let entries = memory.into_iter().map(|entry| entry.unwrap_or_else(Entry::not_measured));
        let head = vec!["memory".into(), "per wait".into()];
        columns.push(Column { head, entries: entries.collect() });
    }
    Grid { lanes, columns }
}

/// The workloads of a run, in order.
pub(super) fn workloads(run: &Run) -> Vec<&str> {
    let mut workloads: Vec<&str> = Vec::new();
    for cell in &run.cells {
        if !workloads.contains(&cell.workload.as_str()) {
            workloads.push(&cell.workload);
        }
    }
    workloads
}

/// The point by which a workload is shown where there is room for one: the largest where points
/// differ in size, otherwise the first.
pub(super) fn main_point<'a>(run: &'a Run, workload: &str) -> Option<&'a str> {
    let cells: Vec<&Cell> = run.cells.iter().filter(|cell| cell.workload == workload).collect();
    let cell = if is_sized_by_tasks(&cells) { cells.last() } else { cells.first() }
        .map(|cell| &cell.point);
    cell.map(String::as_str)
}

/// The part of a point's label that distinguishes it: `10` of `waits=10`.
pub(super) fn value_of(point: &str) -> &str {
    point.split_once('=').map_or(point, |(_, value)| value)
}

/// Whether the points of a workload differ in how many tasks they have, and not in how long those
/// take.
fn is_sized_by_tasks(cells: &[&Cell]) -> bool {
    let differs = |cell: &&Cell| cell.tasks != cells[0].tasks;
    cells.iter().any(differs) && cells.iter().all(|cell| cell.grain_ns.is_none())
}

/// The entry of a lane at a point.
fn at(run: &Run, (workload, point): (&str, &str), lane: &str, shown: Shown) -> Entry {
    let Some(cell) = run.cell(workload, point, lane) else { return Entry::default() };
    let chosen = |answer: &judge::Answer| {
        answer.workload == workload
            && answer.point == point
            && answer.lane.as_deref() == Some(lane)
            && cell.is_verified()
    };
    let mut entry = Entry::of(cell, shown);
    entry.chosen = shown == Shown::Wall && run.answers.iter().any(chosen);
    entry
}
