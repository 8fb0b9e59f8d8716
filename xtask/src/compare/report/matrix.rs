//! The lanes by the questions, then every point of each question.

use crate::compare::{
    judge,
    question::{CONTROL, CONTROLLED},
    record::Run,
};

use super::{
    entry::NONE_SEEN,
    footnotes::Footnotes,
    grid::{self, workloads},
    layout::{Look, Page},
    table,
};

/// All tables, and what their marks mean.
pub(super) fn matrix(page: &mut Page, run: &Run) {
    let mut footnotes = Footnotes::default();
    page.heading("Lanes by questions (median time of a run)");
    table::draw(page, &grid::overview(run), &mut footnotes);
    page.heading("Every point");
    for workload in workloads(run) {
        page.item("", Look::Strong, &format!("{workload}: {}", sizes(run, workload)));
        table::draw(page, &grid::details(run, workload), &mut footnotes);
    }
    legend(page, run, &footnotes);
}

/// What the marks of the tables mean.
fn legend(page: &mut Page, run: &Run, footnotes: &Footnotes) {
    let mut remarks = vec![
        "* the lane to use; empty: the lane was not asked".to_owned(),
        "CPU-s: seconds of processor time of a run; cargo xtask list says what each lane is, cargo \
         xtask explain NAME what a workload does"
            .to_owned(),
    ];
    let is_flat = |workload| {
        let columns = grid::details(run, workload).columns;
        columns.iter().flat_map(|column| &column.entries).any(|entry| entry.text == NONE_SEEN)
    };
    if workloads(run).into_iter().any(is_flat) {
        remarks.push(format!("{NONE_SEEN}: memory did not grow with the waits"));
    }
    if run.cells.iter().any(|cell| cell.lane == CONTROL) {
        remarks.push(format!(
            "{CONTROL} is {CONTROLLED} again under another name: what differs between the two \
             is noise"
        ));
    }
    if run.cells.iter().any(|cell| cell.workload == judge::FAULTS) {
        remarks.push(
            "survived: only the task that went wrong was lost, it was named, and the lane worked \
             on; \"n of m\": so many of the healthy tasks came back; unnamed: the culprit was not \
             named; broken: the lane did not work on; died, hung: the whole lane did, with all its \
             tasks"
                .to_owned(),
        );
    }
    for remark in remarks {
        page.paragraph(2, &remark);
    }
    for (mark, sentence) in footnotes.sentences() {
        page.item(&format!("  {mark:<3} "), Look::Plain, &sentence);
    }
}

/// How large the points of a workload are, each size once.
pub(super) fn sizes(run: &Run, workload: &str) -> String {
    let mut sizes: Vec<&str> = Vec::new();
    for cell in run.cells.iter().filter(|cell| cell.workload == workload) {
        if !sizes.contains(&cell.size.as_str()) {
            sizes.push(&cell.size);
        }
    }
    sizes.join("; ")
}
