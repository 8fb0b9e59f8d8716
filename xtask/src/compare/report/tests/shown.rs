//! What is shown, and what must not be.

use common::{lane::Support, protocol::Left};
use textwrap::core::display_width;

use crate::compare::{
    judge::judge,
    record::{HostFate, ProblemKind, Run},
    report::{
        markdown, render, samples,
        terminal::{Charset, Terminal},
    },
};

use super::fixture::{break_cell, classic, find};

/// The report without its escape sequences.
fn report(run: &Run, width: usize, charset: Charset) -> String {
    let text = render(run, &Terminal::plain(width, charset), &["target/compare/run.json".into()]);
    anstream::adapter::strip_str(&text).to_string()
}

/// The first row of a lane in a table.
fn row(text: &str, lane: &str) -> String {
    let starts = [format!("| {lane} |"), format!(" {lane}  ")];
    let mut rows = text.lines().filter(|line| starts.iter().any(|start| line.starts_with(start)));
    rows.next().unwrap_or_else(|| panic!("no row of {lane}: {text}")).to_owned()
}

/// A run in which everything is too long, and some of it neither ASCII nor narrow.
fn wide() -> Run {
    let mut run = classic();
    let long = "a sentence about \u{e9}t\u{e9} and \u{4f60}\u{597d} that goes on ".repeat(5);
    break_cell(find(&mut run, ("real.crawl", ""), "evented"), ProblemKind::Crashed, &long);
    let cell = find(&mut run, ("cpu.coarse", "skewed"), "evented");
    cell.support = Support::Hybrid { with: long.clone() };
    find(&mut run, ("cpu.coarse", "uniform"), "gil").support = Support::No { why: long.clone() };
    find(&mut run, ("cpu.coarse", "uniform"), "gil").samples.clear();
    run.environment.insert("host with a long name".into(), "/a/long/path".repeat(20));
    run.missing.push(long);
    judge(&mut run);
    run
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (width, charset) in [(80, Charset::Unicode), (80, Charset::Ascii), (60, Charset::Unicode)] {
        for run in [classic(), wide()] {
            for line in report(&run, width, charset).lines() {
                assert!(display_width(line) <= width, "{} columns: {line}", display_width(line));
            }
        }
    }
}

#[test]
fn ascii_is_all_there_is_where_that_is_all_there_is() {
    let text = report(&wide(), 80, Charset::Ascii);
    assert!(text.is_ascii(), "{text}");
    assert!(!report(&wide(), 80, Charset::Unicode).is_ascii());
}

#[test]
fn a_cell_with_a_problem_shows_it_and_no_time_anywhere() {
    for (kind, word) in [
        (ProblemKind::WrongDigest, "wrong"),
        (ProblemKind::Crashed, "crashed"),
        (ProblemKind::Timeout, "timeout"),
        (ProblemKind::Rubbish, "rubbish"),
        (ProblemKind::Failed, "failed"),
    ] {
        let mut run = classic();
        for point in ["uniform", "skewed"] {
            let cell = find(&mut run, ("cpu.coarse", point), "processes");
            for sample in &mut cell.samples {
                (sample.wall_ns, sample.cpu_ns) = (7_531_777, Some(8_642_777));
            }
            break_cell(cell, kind, "this is why");
        }
        judge(&mut run);
        let row = |text: &str| row(text, "processes");
        let csv = String::from_utf8(samples::csv(&run).unwrap()).unwrap();
        let (terminal, whole) = (report(&run, 80, Charset::Unicode), markdown::whole(&run));
        for text in [&terminal, &whole, &markdown::block(&run)] {
            assert!(row(text).contains(word), "{word}: {text}");
        }
        for text in [&terminal, &whole] {
            let problem = format!("cpu.coarse uniform, lane processes: {word}: this is why");
            assert!(text.contains(&problem), "{text}");
        }
        for text in [&terminal, &whole, &markdown::block(&run), &csv] {
            for number in ["7.53", "8.64", "7531777", "8642777", "0.0075", "0.0086"] {
                assert!(!text.contains(number), "{number}: {text}");
            }
        }
        let line = csv.lines().find(|line| line.contains("this is why")).unwrap();
        assert!(line.contains(&format!(",false,{word},this is why,,,")), "{line}");
    }
}

#[test]
fn what_a_lane_cannot_do_is_said_in_a_footnote() {
    let text = report(&classic(), 80, Charset::Unicode);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("not possible (seq, py-seq): one after another, 10000 waits take minutes")
    );
    assert!(flat.contains("not the model alone (evented+offload): offload pool"), "{text}");
    assert!(flat.contains("ceiling (processes): at most 64 at the same time: a process for"));
    assert!(row(&text, "seq").contains(" no n"), "{text}");
    let dashes = text.split_whitespace().filter(|word| *word == "-").count();
    let bullets = text.lines().filter(|line| line.starts_with("  - ")).count();
    assert_eq!(dashes, bullets, "a dash is no value: {text}");
}

#[test]
fn the_lane_to_use_is_marked_in_the_tables() {
    let text = report(&classic(), 80, Charset::Unicode);
    assert!(text.contains("60.3 ms*"), "{text}");
    assert!(text.contains("5 of 5*"), "{text}");
    assert!(markdown::block(&classic()).contains("| **60.3 ms** |"));
}

#[test]
fn memory_is_shown_for_each_wait() {
    let text = report(&classic(), 80, Charset::Unicode);
    let row = |lane: &str, value: &str| {
        text.lines()
            .any(|line| line.trim_start().starts_with(lane) && line.trim_end().ends_with(value))
    };
    assert!(row("evented", " 1.00 kB") && row("threads", " 60.0 kB"), "{text}");
    assert!(row("seq", " none seen"), "one point has no slope: {text}");
    assert_eq!(text.matches("per wait").count(), 1, "only where waits overlap: {text}");
}

#[test]
fn faults_have_words() {
    let mut run = classic();
    let place = ("fault.matrix", "hang");
    find(&mut run, place, "threads").fault.as_mut().unwrap().host = HostFate::Hung;
    let partly = find(&mut run, place, "evented").fault.as_mut().unwrap();
    (partly.host, partly.survivors) = (HostFate::Alive, 17);
    let text = report(&run, 80, Charset::Unicode);
    for word in ["survived", "died", "hung", "17 of 63"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn what_a_lane_leaves_behind_is_a_problem() {
    let mut run = classic();
    let cell = find(&mut run, ("real.crawl", ""), "threads");
    cell.samples[2].left = Some(Left { children: Some(3), threads: Some(0), descriptors: None });
    let text = report(&run, 100, Charset::Unicode);
    let wanted = "real.crawl, lane threads: left behind after it was closed: 3 child processes";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn two_heaps_of_times_are_flagged() {
    let mut run = classic();
    let cell = find(&mut run, ("real.crawl", ""), "threads");
    let more: Vec<_> = cell.judged().take(5).cloned().collect();
    cell.samples.extend(more.into_iter().map(|mut sample| {
        (sample.round, sample.wall_ns) = (sample.round + 6, sample.wall_ns * 3);
        sample
    }));
    let text = report(&run, 100, Charset::Unicode);
    assert!(text.contains("two heaps (threads): 5 of 11 samples take 300 ms or more"), "{text}");
}
