//! Of lanes that tie, the simplest is named, in every format.

use crate::compare::{
    judge::{SIMPLEST_FIRST, judge},
    record::Run,
    report::{
        markdown, render,
        terminal::{Charset, Terminal},
    },
};

use super::fixture::{cell, classic, empty, find};

/// A run of computing in which a lane takes so many milliseconds.
fn run(lanes: &[(&str, f64)]) -> Run {
    let mut run = empty();
    run.cells.extend(lanes.iter().map(|(lane, ms)| cell("cpu.coarse", "uniform", lane, *ms)));
    judge(&mut run);
    run
}

/// Expects a sentence in the answer, in the terminal, in Markdown and in what is spliced.
fn says(run: &Run, sentence: &str) {
    let text = render(run, &Terminal::plain(80, Charset::Ascii), &[]);
    let text = anstream::adapter::strip_str(&text).to_string();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!(" {sentence} why: ")), "{sentence}: {text}");
    for text in [markdown::whole(run), markdown::block(run)] {
        let line = text.lines().find(|line| line.starts_with("- To ")).expect("an answer");
        let (_, said) = line.split_once("): ").expect("an answer follows its question");
        let said = said.split_once(" (noise floor").map_or(said, |(said, _)| said);
        assert_eq!(said, sentence);
    }
}

/// Makes every other round of a lane take `times` as long.
fn shake(run: &mut Run, lane: &str, times: f64) {
    let samples = find(run, ("cpu.coarse", "uniform"), lane).samples.iter_mut();
    for sample in samples.filter(|sample| sample.round % 2 == 0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let wall_ns = (sample.wall_ns as f64 * times) as u64;
        sample.wall_ns = wall_ns;
    }
    judge(run);
}

#[test]
fn of_any_two_that_tie_the_simpler_is_named() {
    for (index, simple) in SIMPLEST_FIRST.into_iter().enumerate() {
        for other in &SIMPLEST_FIRST[index + 1..] {
            // The other is a little faster, but not enough to count.
            let run = run(&[(other, 100.0), (simple, 102.0)]);
            assert_eq!(run.answers[0].lane.as_deref(), Some(simple));
            says(&run, &format!("use {simple}: a tie with {other}: take the simplest"));
        }
    }
}

#[test]
fn what_wins_over_some_ties_with_others() {
    let run = run(&[
        ("seq", 200.0),
        ("processes", 99.0),
        ("evented x threads", 98.0),
        ("threads", 100.0),
    ]);
    says(
        &run,
        "use threads: 2.00x as fast as seq [2.00, 2.00]; a tie with evented x threads, processes: \
         take the simplest",
    );
}

#[test]
fn a_sequential_lane_that_ties_is_said_to_tie() {
    let mut run = run(&[("seq", 106.0), ("threads", 100.0), ("processes", 300.0)]);
    shake(&mut run, "seq", 0.96);
    let answer = &run.answers[0];
    assert_eq!(answer.lane.as_deref(), Some("seq"), "{}", answer.text);
    assert!(
        answer.text.ends_with("; not told apart from threads: take the simplest"),
        "{}",
        answer.text
    );
}

#[test]
fn what_cannot_be_told_is_no_tie_and_names_no_lane() {
    let mut run = run(&[("processes", 100.0), ("threads", 101.0)]);
    shake(&mut run, "threads", 0.8);
    assert_eq!(run.answers[0].lane, None);
    says(
        &run,
        "the measurements do not tell threads from processes: measure again, with more rounds \
         (--rounds) or with less beside it on this machine",
    );
    for cell in &mut run.cells {
        cell.samples.retain(|sample| sample.round == 0);
    }
    judge(&mut run);
    says(&run, "one round cannot tell threads from processes: measure more (--rounds 6)");
}

#[test]
fn so_it_is_with_faults() {
    let mut run = classic();
    run.cells.retain(|cell| cell.workload == "fault.matrix" && cell.lane != "processes");
    judge(&mut run);
    assert_eq!(run.answers[0].lane.as_deref(), Some("threads"));
    says(
        &run,
        "use threads: only the task that went wrong is lost after panic; a tie with evented: take \
         the simplest",
    );
    run.cells.retain(|cell| cell.point == "abort");
    judge(&mut run);
    assert_eq!(run.answers[0].lane, None);
    says(&run, "no lane does: each loses more than the task that went wrong");
    run.cells.retain(|cell| cell.lane != "evented");
    judge(&mut run);
    assert_eq!(run.answers, [], "one lane is no comparison, nor is one with those of Python");
}
