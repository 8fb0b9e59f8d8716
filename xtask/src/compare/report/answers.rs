//! The answer first: per question which lane, by how much, and why; then the classic answer.

use crate::compare::{
    judge::{Answer, ClaimResult, Finding},
    question,
    record::Run,
};

use super::{
    grid::workloads,
    layout::{Look, Page},
};

/// How far answers are set in.
const INDENT: usize = 2;

/// What each question comes to.
pub(super) fn answers(page: &mut Page, run: &Run) {
    for workload in workloads(run) {
        let Some(question) = question::about(workload) else { continue };
        page.heading(&format!("To {} ({workload})", question.task));
        let answers: Vec<&Answer> =
            run.answers.iter().filter(|answer| answer.workload == workload).collect();
        if answers.is_empty() {
            page.paragraph(INDENT, NO_ANSWER);
        }
        let labels = answers.iter().map(|answer| answer.point.len());
        let label_width = labels.max().unwrap_or(0);
        for answer in answers {
            let look = if answer.lane.is_some() { Look::Strong } else { Look::Unsure };
            page.item(&lead(&answer.point, label_width), look, &answer.text);
            page.paragraph(lead("", label_width).len(), &format!("why: {}", answer.why));
        }
    }
}

/// What is said of a question that was asked and not answered.
pub(super) const NO_ANSWER: &str =
    "no answer: it takes two lanes of a model, measured and verified, to compare";

/// The label of a point, padded, in front of its answer.
fn lead(label: &str, width: usize) -> String {
    let indent = " ".repeat(INDENT);
    if width == 0 { indent } else { format!("{indent}{label:<width$}  ") }
}

/// The classic answer, sentence by sentence.
pub(super) fn claims(page: &mut Page, run: &Run) {
    let measured = |claim: &ClaimResult| claim.finding != Finding::NotMeasured;
    if !run.claims.iter().any(measured) {
        return;
    }
    page.heading("The classic answer, measured");
    let width = run.claims.iter().map(|claim| word(claim.finding).len()).max().unwrap_or(0);
    for claim in &run.claims {
        let lead = format!("  {:<width$}  ", word(claim.finding));
        page.item(&lead, look(claim.finding), &claim.says);
        page.paragraph(lead.len(), &format!("({})", claim.evidence));
    }
}

/// The word for a finding.
pub(super) fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Holds => "holds",
        Finding::Refuted => "does not hold",
        Finding::Inconclusive => "cannot tell",
        Finding::NotMeasured => "not measured",
    }
}

/// How that word looks.
fn look(finding: Finding) -> Look {
    match finding {
        Finding::Holds => Look::Good,
        Finding::Refuted => Look::Bad,
        Finding::Inconclusive => Look::Unsure,
        Finding::NotMeasured => Look::Plain,
    }
}
