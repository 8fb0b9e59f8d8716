//! What one place of a table shows.

use common::lane::Support;

use crate::{
    compare::{
        judge::{self, Metric, words},
        question::CONTROL,
        record::{Cell, HostFate, Phase, ProblemKind, Run, Sample},
    },
    stats::{Modes, median, modes},
};

/// What is shown of memory that does not grow with what waits.
pub(super) const NONE_SEEN: &str = "none seen";

/// One place of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// What it shows; empty where the lane was not asked.
    pub text: String,
    /// What has to be added in footnotes.
    pub notes: Vec<Note>,
    /// Whether it belongs to the lane that the answer names.
    pub chosen: bool,
}

/// What a footnote says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The lane was helped.
    Hybrid(String),
    /// The lane did less at the same time than was asked for.
    Ceiling(String),
    /// The lane cannot do it.
    Cannot(String),
    /// The samples lie in two heaps: their median describes neither.
    TwoHeaps(String),
}

/// What is shown of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The median wall-clock time.
    Wall,
    /// The median processor time, in seconds.
    CpuSeconds,
}

impl Entry {
    /// An entry without footnotes.
    fn bare(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// What a cell shows. A cell with a problem shows that and no number.
    pub(super) fn of(cell: &Cell, shown: Shown) -> Self {
        if let Some(problem) = &cell.verify.problem {
            return Self::bare(word(problem.kind));
        }
        if let Support::No { why } = &cell.support {
            let notes = vec![Note::Cannot(why.clone())];
            return Self { text: "no".into(), notes, chosen: false };
        }
        if !cell.is_verified() {
            return Self::bare("not run");
        }
        if cell.fault.is_some() {
            return Self { notes: notes_on(&cell.support), ..Self::bare(fate(cell)) };
        }
        let values: Vec<f64> = samples(cell).filter_map(|sample| value(sample, shown)).collect();
        let Some(middle) = median(&values) else {
            return Self::not_measured();
        };
        // The time carries the footnotes; other numbers of the same run need not repeat them.
        let mut notes = Vec::new();
        if shown == Shown::Wall {
            notes.extend(notes_on(&cell.support));
            notes.extend(heaps(&values));
        }
        let text = match shown {
            Shown::Wall => words::time(middle),
            Shown::CpuSeconds => words::digits(middle / 1e9),
        };
        Self { text, notes, chosen: false }
    }

    /// The memory that a lane needs for each unit that waits; `None` when it was not measured.
    pub(super) fn memory_per_unit(run: &Run, workload: &str, lane: &str) -> Option<Self> {
        let cells = || {
            let here = |cell: &&Cell| cell.workload == workload && cell.lane == lane;
            run.cells.iter().filter(here)
        };
        if let Some(bad) = cells().find(|cell| cell.verify.problem.is_some()) {
            return Some(Self::of(bad, Shown::Wall));
        }
        match judge::median_of(run, (workload, ""), Metric::MemoryPerUnit, lane) {
            Some(bytes) => Some(Self::bare(words::bytes(bytes))),
            // What does not grow with the waits has no slope above zero.
            None => cells()
                .flat_map(Cell::judged)
                .any(|sample| sample.peak_pss_bytes.is_some())
                .then(|| Self::bare(NONE_SEEN)),
        }
    }

    /// What is shown where there is no number although the lane was asked.
    pub(super) fn not_measured() -> Self {
        Self::bare("not measured")
    }

    /// How many of the faults a lane survived with everything else intact.
    pub(super) fn faults_survived(run: &Run, lane: &str) -> Self {
        let cells: Vec<&Cell> = run
            .cells
            .iter()
            .filter(|cell| cell.workload == judge::FAULTS && cell.lane == lane)
            .collect();
        if let Some(bad) = cells.iter().find(|cell| cell.verify.problem.is_some()) {
            return Self::of(bad, Shown::Wall);
        }
        let survived: Vec<bool> = cells.iter().filter_map(|cell| judge::survived(cell)).collect();
        match (cells.first(), survived.len()) {
            (None, _) => Self::default(),
            (Some(cell), 0) => Self::of(cell, Shown::Wall),
            (Some(_), all) => {
                let count = survived.iter().filter(|survived| **survived).count();
                Self::bare(format!("{count} of {all}"))
            }
        }
    }
}

/// The samples of a cell whose numbers are shown: the judged ones; the control lane has none of
/// them and shows its own.
pub(super) fn samples(cell: &Cell) -> impl Iterator<Item = &Sample> {
    let phase = if cell.lane == CONTROL { Phase::Control } else { Phase::Judged };
    let counts = move |sample: &&Sample| sample.phase == phase && !sample.quarantined;
    cell.samples.iter().filter(|_| cell.is_verified()).filter(counts)
}

/// The word for a problem.
pub(super) fn word(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::WrongDigest => "wrong",
        ProblemKind::Crashed => "crashed",
        ProblemKind::Timeout => "timeout",
        ProblemKind::Rubbish => "rubbish",
        ProblemKind::Failed => "failed",
    }
}

/// The number that is shown of a sample.
fn value(sample: &Sample, shown: Shown) -> Option<f64> {
    match shown {
        Shown::Wall => Some(sample.wall_ns as f64),
        Shown::CpuSeconds => sample.cpu_ns.map(|ns| ns as f64),
    }
}

/// What became of a fault, in a word or two.
fn fate(cell: &Cell) -> String {
    let Some(fault) = &cell.fault else { return String::new() };
    match fault.host {
        HostFate::Died => "died".into(),
        HostFate::Hung => "hung".into(),
        HostFate::Alive if judge::survived(cell) == Some(true) => "survived".into(),
        HostFate::Alive if fault.survivors < fault.healthy => {
            format!("{} of {}", fault.survivors, fault.healthy)
        }
        HostFate::Alive if !fault.culprit_named => "unnamed".into(),
        HostFate::Alive => "broken".into(),
    }
}

/// What the way in which a lane runs something has to say for itself.
fn notes_on(support: &Support) -> Vec<Note> {
    match support {
        Support::Native => Vec::new(),
        Support::Hybrid { with } => vec![Note::Hybrid(with.clone())],
        Support::Ceiling { max, why } => {
            vec![Note::Ceiling(format!("at most {max} at the same time: {why}"))]
        }
        Support::No { why } => vec![Note::Cannot(why.clone())],
    }
}

/// A note if times lie in two heaps.
fn heaps(wall_ns: &[f64]) -> Option<Note> {
    match modes(wall_ns) {
        Modes::One => None,
        Modes::Two { low_end, high_start, upper } => Some(Note::TwoHeaps(format!(
            "{} of {} samples take {} or more, the others {} or less",
            upper,
            wall_ns.len(),
            words::time(high_start),
            words::time(low_end)
        ))),
    }
}
