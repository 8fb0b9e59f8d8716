//! `samples.csv`: one line per sample, for spreadsheets and notebooks.

use std::io;

use common::lane::Support;

use crate::compare::record::{Cell, HostFate, Phase, Run, Sample};

use super::entry;

/// The columns. An empty field was not measured.
const HEADER: [&str; 25] = [
    "workload",
    "point",
    "size",
    "lane",
    "language",
    "support",
    "support_note",
    "ok",
    "problem",
    "problem_note",
    "round",
    "phase",
    "quarantined",
    "wall_ns",
    "open_ns",
    "cpu_ns",
    "peak_pss_bytes",
    "base_pss_bytes",
    "context_switches",
    "units",
    "survivors",
    "healthy",
    "culprit_named",
    "host",
    "recovered",
];

/// Columns that describe the cell, in front of those of a sample.
const OF_CELL: usize = 10;

/// Columns of a sample, in front of those of a fault.
const OF_SAMPLE: usize = 10;

/// Columns of a fault.
const OF_FAULT: usize = HEADER.len() - OF_CELL - OF_SAMPLE;

/// All samples as CSV. A cell without any, and one with a problem, whose times are not shown, has
/// one line that says so.
///
/// # Errors
/// None in practice: it writes to memory.
pub(super) fn csv(run: &Run) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for cell in &run.cells {
        let shown = || cell.samples.iter().filter(|_| cell.is_verified());
        let fault = of_fault(cell);
        if shown().next().is_none() {
            let nothing = std::array::from_fn(|_| String::new());
            writer.write_record(
                of_cell(cell).iter().chain(&nothing as &[_; OF_SAMPLE]).chain(&fault),
            )?;
        }
        for sample in shown() {
            writer.write_record(of_cell(cell).iter().chain(&of_sample(sample)).chain(&fault))?;
        }
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// The fields that describe the cell.
fn of_cell(cell: &Cell) -> [String; OF_CELL] {
    let (support, note) = match &cell.support {
        Support::Native => ("native", String::new()),
        Support::Hybrid { with } => ("hybrid", with.clone()),
        Support::Ceiling { max, why } => ("ceiling", format!("{max}: {why}")),
        Support::No { why } => ("no", why.clone()),
    };
    let problem = cell.verify.problem.as_ref();
    [
        cell.workload.clone(),
        cell.point.clone(),
        cell.size.clone(),
        cell.lane.clone(),
        cell.language.clone(),
        support.into(),
        note,
        or_empty(cell.verify.ok),
        problem.map(|problem| entry::word(problem.kind).to_owned()).unwrap_or_default(),
        problem.map(|problem| problem.why.clone()).unwrap_or_default(),
    ]
}

/// The fields of a sample.
fn of_sample(sample: &Sample) -> [String; OF_SAMPLE] {
    let phase = match sample.phase {
        Phase::Judged => "judged",
        Phase::Control => "control",
    };
    [
        sample.round.to_string(),
        phase.into(),
        sample.quarantined.to_string(),
        sample.wall_ns.to_string(),
        sample.open_ns.to_string(),
        or_empty(sample.cpu_ns),
        or_empty(sample.peak_pss_bytes),
        or_empty(sample.base_pss_bytes),
        or_empty(sample.context_switches),
        sample.units.to_string(),
    ]
}

/// The fields of a fault.
fn of_fault(cell: &Cell) -> [String; OF_FAULT] {
    let Some(fault) = &cell.fault else { return std::array::from_fn(|_| String::new()) };
    let host = match fault.host {
        HostFate::Alive => "alive",
        HostFate::Died => "died",
        HostFate::Hung => "hung",
    };
    [
        fault.survivors.to_string(),
        fault.healthy.to_string(),
        fault.culprit_named.to_string(),
        host.into(),
        fault.recovered.to_string(),
    ]
}

/// A value, or nothing where it was not measured.
fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
