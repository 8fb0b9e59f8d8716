//! What a bench shows: which goals hold, then every row, then how it was measured.

use std::path::PathBuf;

use crate::compare::{
    record::Finish,
    report::{self, Look, Page, Terminal},
};

use super::{
    contract::Cost,
    goal::{Goal, amount},
    record::{Calls, Contender, Row, Run, Series},
};

/// The report.
pub(super) fn render(run: &Run, terminal: &Terminal, files: &[PathBuf]) -> String {
    let mut page = Page::new(terminal);
    remarks(&mut page, run);
    if run.smoke {
        verified(&mut page, run);
    } else {
        answer(&mut page, run);
    }
    problems(&mut page, run);
    if !run.smoke {
        table(&mut page, run);
        calls(&mut page, run);
    }
    closing(&mut page, run, files);
    page.finish()
}

/// What a reader has to know before the results.
fn remarks(page: &mut Page, run: &Run) {
    if run.finish == Finish::Interrupted {
        page.item("", Look::Unsure, "INTERRUPTED: the results are partial.");
    }
    if let Some(noisy) = noisy(run) {
        page.item("", Look::Unsure, &noisy);
    }
    for absent in &run.absent {
        page.item("", Look::Unsure, absent);
    }
    if run.smoke {
        let smoke =
            "SMOKE: it checks that everything works; its times say nothing and are not shown.";
        page.item("", Look::Unsure, smoke);
    }
}

/// That others disturbed most of it, if so.
pub(super) fn noisy(run: &Run) -> Option<String> {
    let noise = &run.noise;
    if run.smoke || 2 * noise.noisy_rounds <= noise.rounds {
        return None;
    }
    let share = noise
        .foreign_cpu
        .map_or(String::new(), |share| format!(" (median {:.0} %)", share * 100.0));
    Some(format!(
        "NOISY: others took more than 10 % of the machine in most rounds{share}. Ratios are within \
         rounds, so they hold, but their intervals are wide; try again on a quiet machine."
    ))
}

/// How many contenders did their work.
fn verified(page: &mut Page, run: &Run) {
    let contenders = run.metrics.iter().flat_map(|series| &series.contenders);
    let right =
        |contender: &&Contender| contender.problem.is_none() && !contender.samples.is_empty();
    let (all, right) = (contenders.clone().count(), contenders.filter(right).count());
    let look = if right == all { Look::Good } else { Look::Bad };
    let text = format!("{}: {right} of {all} contenders did their work, and rightly", run.model);
    page.item("", look, &text);
}

/// Which goals hold, which do not and by how much.
fn answer(page: &mut Page, run: &Run) {
    let required: Vec<&Row> = run.rows.iter().filter(|row| row.required.is_some()).collect();
    let count = |met| required.iter().filter(|row| row.met == met).count();
    let (met, missed, open) = (count(Some(true)), count(Some(false)), count(None));
    let look = match (missed, open) {
        (0, 0) => Look::Good,
        (0, _) => Look::Unsure,
        _ => Look::Bad,
    };
    let unknown = match open {
        0 => String::new(),
        open => format!(
            ", {open} cannot be judged (fewer than six rounds, a problem, or a peer that cannot be \
             told from the baseline)"
        ),
    };
    let all = required.len();
    page.heading(&match all {
        0 => format!("{}: no goal is required of what was measured", run.model),
        all => format!("{}: {met} of {all} required goals hold{unknown}", run.model),
    });
    for row in required.iter().filter(|row| row.met == Some(false)) {
        let lead = format!("  - {} / {}: ", row.metric, row.peer_name);
        page.item(&lead, look, &row.required.map_or(String::new(), |goal| missed_by(row, goal)));
    }
    let stretch: Vec<&Row> = run.rows.iter().filter(|row| row.stretch_met.is_some()).collect();
    let reached = stretch.iter().filter(|row| row.stretch_met == Some(true)).count();
    if !stretch.is_empty() {
        page.paragraph(2, &format!("Stretch goals reached: {reached} of {}.", stretch.len()));
    }
}

/// By how much this row misses its goal.
fn missed_by(row: &Row, goal: Goal) -> String {
    let reached = match (goal, row.ratio, row.interval, row.ours) {
        (Goal::BoundBelow(_), Some(ratio), Some(interval), _) => {
            format!("{ratio:.2}, bound {:.2}", interval.high)
        }
        (Goal::RatioAtMost(_), Some(ratio), ..) => format!("{ratio:.2}"),
        (Goal::CostAtMost(_) | Goal::BytesAtMost(_), _, _, Some(ours)) => amount(row.cost, ours),
        _ => match row.above.as_ref().and_then(|above| Some((above, above.ours?, above.peer?))) {
            Some((above, ours, peer)) => {
                let [ours, peer] = [ours, peer].map(|value| amount(row.cost, value));
                format!("{ours} above {}, the peer {peer}", above.baseline)
            }
            None => return "not measured".into(),
        },
    };
    format!("{reached}, required {}", goal.brief())
}

/// What went wrong, in a line each.
pub(super) fn problems_of(run: &Run) -> Vec<String> {
    let of = |series: &Series| {
        let named = series.contenders.iter().filter_map(|contender| {
            let problem = contender.problem.as_ref()?;
            let kind = if problem.wrong { "WRONG" } else { "failed" };
            Some(format!("{} / {}: {kind}: {}", series.name, contender.name, problem.why))
        });
        named.collect::<Vec<_>>()
    };
    run.metrics.iter().flat_map(of).collect()
}

/// What went wrong.
fn problems(page: &mut Page, run: &Run) {
    let problems = problems_of(run);
    if !problems.is_empty() {
        page.heading("Problems");
        for problem in problems {
            page.item("  - ", Look::Plain, &problem);
        }
    }
}

/// All rows, those of a metric below each other.
fn table(page: &mut Page, run: &Run) {
    page.heading("Cost of a unit, and ours by the peer's: below 1, ours needs less");
    page.verbatim(0, &line(["", "a unit", "ours / peer", "required", "met"]));
    for series in &run.metrics {
        let rows = run.rows.iter().filter(|row| row.metric == series.name);
        let rows: Vec<&Row> = rows.collect();
        let ours = rows.iter().find_map(|row| row.ours);
        let cpu = if series.cost == Cost::Cpu { "CPU " } else { "" };
        let unit = format!("{cpu}per {}", series.unit);
        let shown = |value| shown(series.cost, value);
        page.verbatim(0, &line([&series.name, &shown(ours), &unit, "", ""]));
        if let Some(above) = rows.iter().find_map(|row| row.above.as_ref()) {
            let name = format!("  less {}", above.baseline);
            let rest = format!("{} above it", shown(above.ours));
            page.verbatim(0, &line([&name, &shown(above.cost), &rest, "", ""]));
        }
        for row in rows {
            let goal = row.required.map_or(String::new(), Goal::brief);
            let name = format!("  {}", row.peer_name);
            page.verbatim(0, &line([&name, &shown(row.peer), &ratio(row), &goal, met(row)]));
        }
    }
}

/// The system calls of a unit, of those metrics where they say something.
fn calls(page: &mut Page, run: &Run) {
    let above = |series: &&Series| {
        run.rows.iter().any(|row| row.metric == series.name && row.above.is_some())
    };
    let series: Vec<&Series> =
        run.metrics.iter().filter(|series| series.cost == Cost::Cpu).filter(above).collect();
    if series.is_empty() {
        return;
    }
    let Some(by) = &run.calls_by else {
        page.heading("System calls of a unit: not available, neither perf nor strace can count");
        return;
    };
    page.heading(&format!("System calls of a unit, counted by {by}"));
    for series in series {
        page.verbatim(0, &format!("  {}", series.name));
        for contender in &series.contenders {
            let said = contender.calls.as_ref().map_or("-".into(), called);
            page.item(&format!("    {:<17} ", contender.name), Look::Plain, &said);
        }
    }
}

/// How many there are, and of which kinds; rare ones are left out.
fn called(calls: &Calls) -> String {
    let mut named: Vec<(&String, f64)> =
        calls.named.iter().map(|(name, each)| (name, *each)).collect();
    named.sort_by(|one, other| other.1.total_cmp(&one.1));
    let often = named.iter().filter(|(_, each)| *each >= 0.005);
    let often: Vec<String> = often.map(|(name, each)| format!("{name} {each:.2}")).collect();
    format!("{:.2}: {}", calls.all, often.join(", "))
}

/// A line of the table; none is longer than 80 columns.
fn line([name, cost, ratio, goal, met]: [&str; 5]) -> String {
    format!("  {name:<19} {cost:>8}  {ratio:<20} {goal:<14} {met}").trim_end().to_owned()
}

/// A cost, or that there is none.
fn shown(cost: Cost, value: Option<f64>) -> String {
    value.map_or("-".into(), |value| amount(cost, value))
}

/// The ratio with its interval; round brackets: too few rounds for more than the range.
pub(super) fn ratio(row: &Row) -> String {
    let (Some(ratio), Some(bounds)) = (row.ratio, row.interval) else {
        // All three were measured, and the peer costs next to nothing above the baseline.
        let at = row.above.as_ref().filter(|above| above.peer.is_some() && !above.told);
        return at.map_or("-".into(), |above| format!("peer as {}", above.baseline));
    };
    let (low, high) = (factor(bounds.low), factor(bounds.high));
    match bounds.coverage {
        Some(_) => format!("{} [{low}, {high}]", factor(ratio)),
        None => format!("{} ({low}, {high})", factor(ratio)),
    }
}

/// A ratio with about three digits.
fn factor(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        ratio if ratio < 100.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    }
}

/// Whether the goals of a row are met, in a word or two.
pub(super) fn met(row: &Row) -> &'static str {
    match (row.required.and(row.met), row.stretch_met) {
        (Some(false), _) => "NO",
        (Some(true), Some(true)) => "yes, stretch",
        (Some(true), _) => "yes",
        (None, _) if row.required.is_some() => "?",
        (None, Some(true)) => "stretch",
        (None, _) => "",
    }
}

/// How it was measured, where the results are, and how to do it again.
fn closing(page: &mut Page, run: &Run, files: &[PathBuf]) {
    page.heading("How");
    let rounds = run.rows.iter().map(|row| row.rounds);
    let rounds = match (rounds.clone().min(), rounds.max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (_, most) => most.unwrap_or(0).to_string(),
    };
    page.paragraph(
        2,
        &format!(
            "Rounds: {rounds}; in each a sample of every contender in a fresh process, in random \
             order, or slices by turns in one process for each peer (see --list); ratios are taken within rounds, and where something is named as less, after that \
             was subtracted. Workers of each pool: {}. [low, high] holds the median ratio with \
             95 % probability; (low, high) is the range of too few rounds.",
            run.workers
        ),
    );
    let noise = &run.noise;
    let share = noise
        .foreign_cpu
        .map_or("an unknown share".into(), |share| format!("{:.0} %", share * 100.0));
    page.paragraph(
        2,
        &format!(
            "Noise: in {} of {} rounds of a metric, others took more than 10 % of the machine \
             (median {share}); the worst were repeated, and nothing is left out of the record.",
            noise.noisy_rounds, noise.rounds
        ),
    );
    let environment = ["cpu", "cores", "kernel", "rustc"]
        .iter()
        .filter_map(|name| run.environment.get(*name).map(|value| format!("{name} {value}")));
    page.paragraph(2, &format!("{}.", environment.collect::<Vec<_>>().join(", ")));
    let revision = run.revision.as_deref().unwrap_or("not in a checkout");
    page.paragraph(2, &format!("Revision {revision}, {}.", run.started));
    report::results(page, files, &run.command);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::record::{Above, Bounds};

    /// A row with this ratio, interval and outcome.
    fn row(ratio: f64, high: f64, coverage: Option<f64>, met: Option<bool>) -> Row {
        Row {
            metric: "queue.1024.4x4".into(),
            unit: "value".into(),
            cost: Cost::Wall,
            ours: Some(123.4),
            peer: Some(99.9),
            peer_name: "crossbeam-channel".into(),
            above: None,
            ratio: Some(ratio),
            interval: Some(Bounds { low: ratio / 2.0, high, coverage }),
            rounds: 6,
            required: Some(Goal::BoundBelow(1.0)),
            stretch: Some(Goal::RatioAtMost(1.0)),
            met,
            stretch_met: met,
        }
    }

    #[test]
    fn the_widest_line_has_80_columns_at_most() {
        let wide = row(98.76, 99.99, Some(0.96), Some(true));
        let goal = Goal::CostAtMost(500.0).brief();
        let name = format!("  {}", wide.peer_name);
        let line = line([&name, &shown(Cost::Wall, Some(999e3)), &ratio(&wide), &goal, met(&wide)]);
        assert!(line.len() <= 80, "{}: {line}", line.len());
        assert!(line.ends_with("ours <= 500 ns yes, stretch"), "columns run together: {line}");
    }

    #[test]
    fn a_missed_goal_says_by_how_much() {
        let missed = row(0.95, 1.1, Some(0.96), Some(false));
        assert_eq!(met(&missed), "NO");
        let by = missed_by(&missed, Goal::BoundBelow(1.0));
        assert_eq!(by, "0.95, bound 1.10, required bound < 1");
        assert_eq!(missed_by(&missed, Goal::CostAtMost(100.0)), "123 ns, required ours <= 100 ns");
    }

    #[test]
    fn a_peer_at_the_baseline_is_said_to_be_there() {
        let above = |told| Above {
            baseline: "serial".into(),
            cost: Some(9.0),
            ours: Some(0.7),
            peer: Some(-0.01),
            told,
        };
        let at = Row {
            above: Some(above(false)),
            ratio: None,
            interval: None,
            ..row(1.0, 1.0, None, Some(false))
        };
        assert_eq!((ratio(&at).as_str(), met(&at)), ("peer as serial", "NO"));
        let by = missed_by(&at, Goal::RatioAtMost(1.2));
        assert_eq!(by, "0.70 ns above serial, the peer -0.01 ns, required <= 1.2");
        let told = Row { above: Some(above(true)), ..row(0.5, 0.75, Some(0.96), None) };
        assert_eq!(ratio(&told), "0.50 [0.25, 0.75]");
        let infinite = row(-0.5, f64::INFINITY, Some(0.96), None);
        assert_eq!(ratio(&infinite), "-0.50 [-0.25, inf]");
    }

    #[test]
    fn calls_are_shown_by_how_often_they_are_made() {
        let named = [("sendto", 2.0), ("epoll_wait", 0.033), ("recvfrom", 2.5), ("futex", 0.002)];
        let named = named.map(|(name, each)| (name.to_owned(), each)).into();
        let calls = Calls { all: 4.54, named };
        assert_eq!(called(&calls), "4.54: recvfrom 2.50, sendto 2.00, epoll_wait 0.03");
    }

    #[test]
    fn a_range_is_told_from_an_interval() {
        assert_eq!(ratio(&row(0.5, 0.75, Some(0.96), None)), "0.50 [0.25, 0.75]");
        let range = row(0.5, 0.75, None, None);
        assert_eq!((ratio(&range).as_str(), met(&range)), ("0.50 (0.25, 0.75)", "?"));
    }
}
