//! The results as Markdown: whole, and as the short block that goes into a README.

use std::fmt::Write as _;

use crate::compare::{
    judge::{Answer, words::percent},
    question::CONTROL,
    record::Run,
};

use super::{
    answers::{self, Claims},
    entry::Entry,
    footnotes::Footnotes,
    grid::{self, Grid, main_point},
    matrix, remarks,
};

/// How it was made, the answers of the main questions and the lanes by the questions.
pub(super) fn block(run: &Run) -> String {
    let mut text = recipe(run);
    let main = |answer: &&Answer| {
        answer.point.is_empty() || main_point(run, &answer.workload) == Some(&answer.point)
    };
    text.push('\n');
    list_answers(&mut text, run.answers.iter().filter(main));
    let mut footnotes = Footnotes::default();
    text.push('\n');
    table(&mut text, &grid::overview(run).without(CONTROL), &mut footnotes);
    // All in one paragraph: the block is to stay short.
    let notes =
        footnotes.sentences().map(|(mark, sentence)| format!("; {mark} {}", escape(&sentence)));
    let notes: String = notes.collect();
    line(&mut text, format_args!("\nBold: the lane to use; empty: not asked{notes}."));
    text
}

/// Everything that the terminal shows.
pub(super) fn whole(run: &Run) -> String {
    let mut text = format!("# Comparison\n\n{}\n## Answers\n\n", recipe(run));
    list_answers(&mut text, run.answers.iter());
    list_claims(&mut text, run);
    let mut footnotes = Footnotes::default();
    text.push_str("\n## Lanes by questions\n\n");
    table(&mut text, &grid::overview(run), &mut footnotes);
    for workload in grid::workloads(run) {
        let sizes = escape(&matrix::sizes(run, workload));
        line(&mut text, format_args!("\n### {workload}\n\n{sizes}\n"));
        table(&mut text, &grid::details(run, workload), &mut footnotes);
    }
    list_footnotes(&mut text, &footnotes);
    for (title, lines) in [
        ("Problems", remarks::problems(run)),
        ("Noise", remarks::noise(run)),
        ("Missing", run.missing.clone()),
    ] {
        if !lines.is_empty() {
            line(&mut text, format_args!("\n## {title}\n"));
            for one in lines {
                line(&mut text, format_args!("- {}", escape(&one)));
            }
        }
    }
    text
}

/// The command that made the results, when, from which sources, and on what.
fn recipe(run: &Run) -> String {
    let known = |name: &str| run.environment.get(name).map(String::as_str);
    let cores = known("cores").map(|cores| format!("{cores} cores"));
    let machine: Vec<&str> = [known("cpu"), cores.as_deref(), known("kernel"), known("machine")]
        .into_iter()
        .flatten()
        .collect();
    let revision = run.revision.as_deref().unwrap_or("unknown");
    let mut text = String::new();
    line(
        &mut text,
        format_args!(
            "Measured with `{}` on {}, revision {revision}, on {}.",
            run.command.replace('`', "'"),
            run.started,
            escape(&machine.join(", "))
        ),
    );
    for remark in remarks::on_top(run) {
        line(&mut text, format_args!("\n**{}**", escape(&remark)));
    }
    text
}

/// A list of answers.
fn list_answers<'a>(text: &mut String, answers: impl Iterator<Item = &'a Answer>) {
    for answer in answers {
        let point = match answer.point.as_str() {
            "" => String::new(),
            label => format!(", {}", escape(label)),
        };
        let (task, says) = (escape(&answer.task), escape(&answer.text));
        let floor = answer.floor.map(|floor| format!(" (noise floor {})", percent(floor.band)));
        let floor = floor.unwrap_or_default();
        line(text, format_args!("- To {task} (`{}`{point}): {says}{floor}", answer.workload));
    }
}

/// The classic answer, as far as it was measured.
fn list_claims(text: &mut String, run: &Run) {
    let Some(Claims { measured, rest }) = Claims::of(run) else { return };
    text.push_str("\n## The classic answer, measured\n\n");
    for claim in measured {
        let (says, evidence) = (escape(&claim.says), escape(&claim.evidence));
        line(text, format_args!("- **{}**: {says} ({evidence})", answers::word(claim.finding)));
    }
    if let Some(rest) = rest {
        line(text, format_args!("\n{}", escape(&rest)));
    }
}

/// A table, with what the lane to use took in bold.
fn table(text: &mut String, grid: &Grid, footnotes: &mut Footnotes) {
    let heads = grid.columns.iter().map(|column| {
        let lines = column.head.iter().filter(|line| !line.is_empty());
        escape(&lines.cloned().collect::<Vec<_>>().join(" ").replace(". ", "."))
    });
    row(text, "lane", heads);
    row(text, "---", grid.columns.iter().map(|_| "---:".to_owned()));
    for (index, lane) in grid.lanes.iter().enumerate() {
        let entries = grid.columns.iter().map(|column| &column.entries[index]);
        row(text, &escape(lane), entries.map(|entry| shown(entry, lane, footnotes)));
    }
}

/// An entry of a table.
fn shown(entry: &Entry, lane: &str, footnotes: &mut Footnotes) -> String {
    let mut text = escape(&entry.text);
    if entry.chosen {
        text = format!("**{text}**");
    }
    for note in &entry.notes {
        text.push(' ');
        text.push_str(&footnotes.mark(note, lane));
    }
    text
}

/// A row of a table.
fn row(text: &mut String, first: &str, rest: impl Iterator<Item = String>) {
    text.push_str("| ");
    text.push_str(first);
    for one in rest {
        text.push_str(" | ");
        text.push_str(&one);
    }
    text.push_str(" |\n");
}

/// What the marks of tables mean.
fn list_footnotes(text: &mut String, footnotes: &Footnotes) {
    text.push_str("\nBold: the lane to use. Empty: the lane was not asked.\n");
    for (index, (mark, sentence)) in footnotes.sentences().enumerate() {
        let before = if index == 0 { "\n" } else { "" };
        line(text, format_args!("{before}- {mark}: {}", escape(&sentence)));
    }
}

/// Appends a line.
fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a String can always be written to");
}

/// Text in which nothing is taken for Markdown or for the end of a table's field, on one line.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '`' | '<' | '>' | '_' | '\\' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
