//! The results as the block that goes into a document.

use std::fmt::Write as _;

use crate::compare::report::escape;

use super::{
    contract::Cost,
    goal::{Goal, amount},
    record::{Row, Run},
    report,
};

/// How it was made, all rows, and what follows from them.
pub(super) fn block(run: &Run, conclusion: Option<&str>) -> String {
    let mut text = recipe(run);
    text.push_str("\n| metric | ours | beside it | ours by that | required | met |\n");
    text.push_str("| --- | ---: | ---: | ---: | --- | --- |\n");
    let mut last = "";
    for row in &run.rows {
        // What was said of the metric and of ours is not said again.
        let is_new = row.metric != last;
        add(&mut text, &line(row, is_new));
        last = &row.metric;
    }
    text.push_str("\nCosts are medians of a unit; in brackets: the bounds of the ratio (95 %).\n");
    for series in &run.metrics {
        add(&mut text, &format!("- `{}`: {}\n", series.name, escape(&series.about)));
    }
    for problem in report::problems_of(run) {
        add(&mut text, &format!("- **{}**\n", escape(&problem)));
    }
    for absent in &run.absent {
        add(&mut text, &format!("- {}\n", escape(absent)));
    }
    if let Some(conclusion) = conclusion {
        add(&mut text, &format!("\n{}\n", conclusion.trim_end()));
    }
    text
}

/// The command that made the results, when, from which sources, and on what.
fn recipe(run: &Run) -> String {
    let known = |name: &str| run.environment.get(name).map(String::as_str);
    let cores = known("cores").map(|cores| format!("{cores} cores"));
    let machine = [known("cpu"), cores.as_deref(), known("kernel"), known("machine")];
    let machine: Vec<_> = machine.into_iter().flatten().collect();
    let (revision, command) = (run.revision.as_deref().unwrap_or("unknown"), &run.command);
    let mut text = format!(
        "Measured with `{}` on {}, revision {revision}, on {}.\n",
        command.replace('`', "'"),
        run.started,
        escape(&machine.join(", "))
    );
    if let Some(noisy) = report::noisy(run) {
        add(&mut text, &format!("\n**{}**\n", escape(&noisy)));
    }
    text
}

/// A row of the table.
fn line(row: &Row, is_new: bool) -> String {
    let shown = |value: Option<f64>| value.map_or("-".into(), |value| amount(row.cost, value));
    let cpu = if row.cost == Cost::Cpu { "CPU, " } else { "" };
    let first =
        || (format!("`{}`", row.metric), format!("{} ({cpu}per {})", shown(row.ours), row.unit));
    let (metric, ours) = if is_new { first() } else { (String::new(), String::new()) };
    format!(
        "| {metric} | {ours} | {} {} | {} | {} | {} |\n",
        escape(&row.peer_name),
        shown(row.peer),
        report::ratio(row),
        escape(&row.required.map_or(String::new(), Goal::brief)),
        report::met(row)
    )
}

/// Appends.
fn add(text: &mut String, what: &str) {
    text.write_str(what).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use crate::{
        bench::record::{Bounds, SCHEMA, Series},
        compare::record::{Finish, Noise},
    };

    use super::*;

    /// A row of this metric and peer.
    fn row(metric: &str, peer: &str, met: Option<bool>) -> Row {
        Row {
            metric: metric.into(),
            unit: "call".into(),
            cost: Cost::Wall,
            ours: Some(12_340.0),
            peer: Some(1_000.0),
            peer_name: peer.into(),
            above: None,
            ratio: Some(12.34),
            interval: Some(Bounds { low: 11.0, high: 13.0, coverage: Some(0.96) }),
            rounds: 6,
            required: met.map(|_| Goal::CostAtMost(25e3)),
            stretch: None,
            met,
            stretch_met: None,
        }
    }

    /// A run with these rows.
    fn run(rows: Vec<Row>, noise: Noise) -> Run {
        let about = "A map, <so> to speak.".into();
        let (unit, cost) = ("call".into(), Cost::Wall);
        let (units, contenders) = (None, Vec::new());
        Run {
            schema: SCHEMA,
            model: "processes".into(),
            started: "2026-01-02T03:04:05Z".into(),
            revision: Some("abc".into()),
            command: "cargo xtask bench processes".into(),
            seed: 1,
            smoke: false,
            workers: 2,
            absent: vec!["not found: x".into()],
            rounds: 6,
            finish: Finish::Complete,
            environment: [("cores".to_owned(), "2".to_owned())].into(),
            noise,
            calls_by: None,
            rows,
            metrics: vec![Series { name: "a.map".into(), about, unit, cost, units, contenders }],
        }
    }

    #[test]
    fn every_row_is_shown_and_the_recipe_and_what_follows() {
        let rows = vec![row("a.map", "one", Some(false)), row("a.map", "two", None)];
        let text = block(&run(rows, Noise::default()), Some("**A model.**"));
        for part in [
            "Measured with `cargo xtask bench processes` on 2026-01-02T03:04:05Z, revision abc, on 2 cores.",
            "\n| `a.map` | 12.3 us (per call) | one 1.00 us | 12.3 [11.0, 13.0] | ours \\<= 25.0 us | NO |\n",
            "\n|  |  | two 1.00 us | 12.3 [11.0, 13.0] |  |  |\n",
            "\n- `a.map`: A map, \\<so\\> to speak.\n",
            "\n- not found: x\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("\n\n**A model.**\n") && !text.contains("NOISY"), "{text}");
    }

    #[test]
    fn noise_is_said_where_the_results_are_read() {
        let noise = Noise { rounds: 6, noisy_rounds: 6, ..Noise::default() };
        let text = block(&run(vec![row("a.map", "one", None)], noise), None);
        assert!(text.contains("\n**NOISY: others took more"), "{text}");
    }
}
