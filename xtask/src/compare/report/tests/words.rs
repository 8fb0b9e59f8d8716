//! What verdicts are called.

use crate::compare::{
    judge::{Finding, judge},
    record::{Finish, Run},
    report::{
        markdown, render,
        terminal::{Charset, Terminal},
    },
};

use super::fixture::{classic, empty, find};

/// The point at which processes are compared with threads.
const PLACE: (&str, &str) = ("real.access-log", "returns=records");

/// The report without its escape sequences, and with its lines joined.
fn report(run: &Run) -> String {
    let text = render(run, &Terminal::plain(80, Charset::Ascii), &[]);
    let text = anstream::adapter::strip_str(&text).to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A report in which processes take `times` as long as threads in each round.
fn report_with(times: [f64; 6]) -> String {
    let mut run = classic();
    let threads: Vec<u64> =
        find(&mut run, PLACE, "threads").samples.iter().map(|sample| sample.wall_ns).collect();
    for (sample, (wall, times)) in
        find(&mut run, PLACE, "processes").samples.iter_mut().zip(threads.into_iter().zip(times))
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let wall = (wall as f64 * times) as u64;
        sample.wall_ns = wall;
    }
    judge(&mut run);
    report(&run)
}

/// The sentence that the point decides, with a finding in front of it.
fn claim(finding: &str) -> String {
    format!("{finding} processes are slower than threads: when results are sent back (processes is")
}

#[test]
fn faster_slower_tie_and_cannot_tell_have_their_words() {
    let slower = report_with([2.0; 6]);
    assert!(slower.contains(&claim("holds")), "{slower}");
    assert!(
        slower.contains(
            "returns=records use threads: 1.90x as fast as seq [1.90, 1.90]; 1.21x as fast"
        )
    );
    assert!(slower.contains("2.00x as fast as processes [2.00, 2.00]"), "{slower}");

    let faster = report_with([0.5; 6]);
    assert!(faster.contains(&claim("does not hold")), "{faster}");
    assert!(faster.contains("returns=records use processes: "), "{faster}");

    let tie = report_with([1.01; 6]);
    assert!(tie.contains(&claim("does not hold")), "{tie}");
    assert!(tie.contains("on real.access-log returns=records: tie"), "{tie}");
    assert!(tie.contains("a tie with processes: take the simplest why:"), "{tie}");

    let unclear = report_with([0.8, 1.3, 0.7, 1.2, 1.1, 0.9]);
    assert!(unclear.contains(&claim("cannot tell")), "{unclear}");
    assert!(unclear.contains("cannot tell; the noise floor is 5.0 %)"), "{unclear}");
    assert!(unclear.contains("not told apart from processes: take the simplest"), "{unclear}");
}

#[test]
fn what_was_not_measured_is_called_so() {
    let mut run = classic();
    run.cells.retain(|cell| cell.lane != "py-mp");
    judge(&mut run);
    let text = report(&run);
    assert!(text.contains(" 3 claims not measured by this selection (run.json has all)"), "{text}");
    for hidden in ["real concurrency (Python)", "or py-seq was not measured"] {
        assert!(!text.contains(hidden), "{text}");
        assert!(!markdown::whole(&run).contains(hidden), "{text}");
    }
    assert!(markdown::whole(&run).contains("\n3 claims not measured by this selection"));
    let unknown = run.claims.iter().filter(|claim| claim.finding == Finding::NotMeasured);
    assert_eq!((run.claims.len(), unknown.count()), (17, 3), "run.json has all");

    run.cells.retain(|cell| cell.workload == "fault.matrix" && cell.lane != "py-threads");
    judge(&mut run);
    let text = report(&run);
    assert!(text.contains("holds processes survive an abort"), "{text}");
    assert_eq!(text.matches("holds ").count(), 2, "{text}");
    assert!(text.contains(" 15 claims not measured by this selection"), "{text}");
    assert!(!report(&classic()).contains("not measured by this selection"));

    let mut run = classic();
    run.cells.retain(|cell| cell.workload == "cpu.coarse" && cell.lane == "threads");
    judge(&mut run);
    let text = report(&run);
    assert!(
        text.contains("To compute (cpu.coarse) no answer: it takes two of these lanes"),
        "{text}"
    );
    for part in ["The classic answer", "claims not measured"] {
        assert!(!text.contains(part), "nothing of it was measured: {text}");
        assert!(!markdown::whole(&run).contains(part));
    }
}

#[test]
fn ranges_of_too_few_rounds_are_marked() {
    let mut run = classic();
    for cell in &mut run.cells {
        cell.samples.retain(|sample| sample.round < 3);
    }
    judge(&mut run);
    assert!(report(&run).contains("[1.90, 1.90] range"));
}

#[test]
fn the_answer_comes_first_and_the_rerun_command_last() {
    let text = report(&classic());
    assert!(text.starts_with("To compute (cpu.coarse) uniform use threads: 2.13x as fast as seq"));
    assert!(text.ends_with("Again cargo xtask compare"));
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is missing: {text}"));
    let order = [
        at("why: threads keeps 2.00 cores busy"),
        at("How to read it"),
        at("The classic answer, measured"),
        at("Lanes by questions"),
        at("Every point"),
        at("METG(50)"),
        at("Environment"),
        at("Noise"),
        at("not found: python3.14t"),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn small_tasks_have_a_smallest_useful_size() {
    let text = report(&classic());
    // The efficiency is 0.125 at 1 us, 0.6 at 10 us: half is reached at 6.17 us.
    assert!(text.contains("threads 6.16 us processes more than 1.00 ms"), "{text}");
}

#[test]
fn an_interrupted_run_says_so_at_the_top() {
    let mut run = classic();
    run.finish = Finish::Interrupted;
    run.cells.last_mut().unwrap().verify.ok = None;
    let text = report(&run);
    assert!(text.starts_with("INTERRUPTED: these are partial results."), "{text}");
    assert!(text.contains("not run"), "{text}");
    assert!(!report(&classic()).contains("INTERRUPTED"));
    run.cells.clear();
    judge(&mut run);
    assert!(report(&run).starts_with("INTERRUPTED"));
}

#[test]
fn a_noisy_host_sends_the_reader_to_cpu_time() {
    let quiet = report(&classic());
    assert!(!quiet.contains("NOISY HOST") && quiet.contains("a quiet host: in 0 of 40 rounds"));
    assert!(quiet.contains("(A/A) differed by up to 0.0 %"), "{quiet}");
    let mut run = classic();
    run.noise.noisy_rounds = 20;
    let noisy = report(&run);
    assert!(noisy.starts_with("NOISY HOST: "), "{noisy}");
    assert!(noisy.contains("look at CPU time") && noisy.contains("in 20 of 40 rounds"), "{noisy}");
    let mut run = empty();
    run.noise = crate::compare::record::Noise::default();
    assert!(report(&run).contains("no round was timed"));
}

#[test]
fn a_task_is_named_by_the_point_that_the_answer_is_about() {
    let text = report(&classic());
    assert!(
        text.contains("To wait for many things at once (io.wait) waits=10 use threads"),
        "{text}"
    );
    assert!(!text.contains("10,000 things"), "some of the points have fewer: {text}");
    let whole = markdown::whole(&classic());
    for (point, many) in [("10", "10"), ("1000", "1,000"), ("10000", "10,000")] {
        let wanted = format!("- To wait for {many} things at once (`io.wait`, waits={point}): use");
        assert!(whole.contains(&wanted), "{whole}");
    }
}
