//! How noisy it was, where it matters.

use crate::compare::{
    judge::judge,
    record::{Phase, Run},
    report::{
        markdown, render,
        terminal::{Charset, Terminal},
    },
};

use super::fixture::{classic, find};

/// A run in which the control takes this many times as long as the lane that it repeats, in every
/// other round of computing.
fn with_control(times: f64) -> Run {
    let mut run = classic();
    let control = find(&mut run, ("cpu.coarse", "uniform"), "aa");
    let samples = control.samples.iter_mut().filter(|sample| sample.phase == Phase::Control);
    for sample in samples.filter(|sample| sample.round % 2 == 0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let wall_ns = (sample.wall_ns as f64 * times) as u64;
        sample.wall_ns = wall_ns;
    }
    judge(&mut run);
    run
}

/// What is said below the answer of the disturbed point, and below that of the other point of the
/// same workload, with lines joined.
fn floors(run: &Run) -> [String; 2] {
    let text = render(run, &Terminal::plain(80, Charset::Ascii), &[]);
    let text = anstream::adapter::strip_str(&text).to_string();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, answers) = text.split_once("To compute").expect("the question is asked");
    let mut floors = answers.split(" noise: ").skip(1);
    [" skewed use ", " To wait "].map(|next| {
        let floor = floors.next().and_then(|floor| floor.split_once(next));
        floor.unwrap_or_else(|| panic!("no noise before {next}: {text}")).0.to_owned()
    })
}

#[test]
fn each_answer_is_followed_by_the_noise_of_its_own_point() {
    let quiet =
        "threads differed from itself by up to 0.0 %: a difference below 5.0 % counts as a tie";
    assert_eq!(floors(&classic()), [quiet, quiet]);
    let wide = "threads differed from itself by up to 12.0 %: a difference below 12.0 % counts as a \
                tie";
    assert_eq!(floors(&with_control(1.12)), [wide, quiet]);
    let too_wide = "threads differed from itself by up to 40.0 %: below that, neither a difference \
                    nor a tie can be told";
    assert_eq!(floors(&with_control(1.4)), [too_wide, quiet]);
    let mut without = classic();
    without.cells.retain(|cell| cell.lane != "aa");
    judge(&mut without);
    let unknown = "not measured here: a difference below 5.0 % counts as a tie";
    assert_eq!(floors(&without), [unknown, unknown]);
}

#[test]
fn so_it_is_in_markdown_and_in_what_is_spliced() {
    let run = with_control(1.12);
    for text in [markdown::whole(&run), markdown::block(&run)] {
        let line =
            text.lines().find(|line| line.starts_with("- To compute (`cpu.coarse`, uniform"));
        assert!(line.unwrap().ends_with(" (noise floor 12.0 %)"), "{text}");
        let line = text.lines().find(|line| line.starts_with("- To survive")).unwrap();
        assert!(!line.contains("noise floor"), "nothing was timed: {line}");
    }
}
