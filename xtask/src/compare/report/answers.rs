//! The answer first: per question which lane, by how much, and why; then the classic answer.

use crate::compare::{
    judge::{Answer, ClaimResult, Finding, SIMPLEST_FIRST},
    question,
    record::Run,
};

use super::{
    grid::workloads,
    layout::{Look, Page},
    remarks,
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
            page.paragraph(INDENT, &no_answer());
        }
        let labels = answers.iter().map(|answer| answer.point.len());
        let label_width = labels.max().unwrap_or(0);
        for answer in answers {
            let look = if answer.lane.is_some() { Look::Strong } else { Look::Unsure };
            page.item(&lead(&answer.point, label_width), look, &answer.text);
            let indent = " ".repeat(lead("", label_width).len());
            page.item(&format!("{indent}why: "), Look::Plain, &answer.why);
            if let Some(floor) = &answer.floor {
                page.item(&format!("{indent}noise: "), Look::Plain, &remarks::floor(floor));
            }
        }
    }
    if run.answers.iter().any(|answer| !answer.rivals.is_empty()) {
        page.heading("How to read it");
        page.paragraph(INDENT, READING);
    }
}

/// How the numbers of answers and claims are to be read.
const READING: &str = "\"1.50x as fast as seq [1.40, 1.60]\": 1.50 is the median over the rounds, in each of which \
     every lane ran once, and the true one lies between 1.40 and 1.60 with a probability of 95 % or \
     more. \"range\": there were too few rounds for that; the two are the least and the most that \
     was seen.";

/// What is said of a question that was asked and not answered.
fn no_answer() -> String {
    let lanes = SIMPLEST_FIRST.join(", ");
    format!("no answer: it takes two of these lanes, measured and verified: {lanes}")
}

/// The label of a point, padded, in front of its answer.
fn lead(label: &str, width: usize) -> String {
    let indent = " ".repeat(INDENT);
    if width == 0 { indent } else { format!("{indent}{label:<width$}  ") }
}

/// The classic answer, sentence by sentence.
pub(super) fn claims(page: &mut Page, run: &Run) {
    let Some(Claims { measured, rest }) = Claims::of(run) else { return };
    page.heading("The classic answer, measured");
    let width = measured.iter().map(|claim| word(claim.finding).len()).max().unwrap_or(0);
    for claim in measured {
        let lead = format!("  {:<width$}  ", word(claim.finding));
        page.item(&lead, look(claim.finding), &claim.says);
        page.paragraph(lead.len(), &format!("({})", claim.evidence));
    }
    if let Some(rest) = rest {
        page.paragraph(INDENT, &rest);
    }
}

/// What is shown of the classic answer.
pub(super) struct Claims<'a> {
    /// The sentences for which something was measured.
    pub measured: Vec<&'a ClaimResult>,
    /// What is said of the others, if there are any.
    pub rest: Option<String>,
}

impl<'a> Claims<'a> {
    /// Those of a run; `None` when nothing of the classic answer was measured.
    pub(super) fn of(run: &'a Run) -> Option<Self> {
        let measured: Vec<&ClaimResult> =
            run.claims.iter().filter(|claim| claim.finding != Finding::NotMeasured).collect();
        let rest = match run.claims.len() - measured.len() {
            0 => None,
            1 => Some("1 claim not measured by this selection (run.json has all)".into()),
            some => {
                Some(format!("{some} claims not measured by this selection (run.json has all)"))
            }
        };
        (!measured.is_empty()).then_some(Self { measured, rest })
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
