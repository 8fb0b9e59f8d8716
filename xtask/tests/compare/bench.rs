//! Whole benches, of real contenders and of those that go wrong on purpose.

use std::{fs, path::Path, process::Command};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    disturbed::{Identity, wait_for_child_of, wait_for_end_of},
    started::{Ended, Started, program},
};

/// Runs `xtask bench threads` with these arguments; how it ended, and the results if it had any.
fn bench(arguments: &[&str]) -> (Ended, Value) {
    let folder = tempfile::tempdir().expect("there is a folder for such");
    let file = folder.path().join("bench.json");
    let mut command = Command::new(program());
    command.args(["bench", "threads"]).args(arguments);
    command.args(["--export", &format!("json={}", file.display())]);
    let ended = Started::new(&mut command).end();
    let results = read(&file);
    (ended, results)
}

/// The results in a file, if it is there.
fn read(file: &Path) -> Value {
    fs::read(file)
        .map_or(Value::Null, |json| serde_json::from_slice(&json).expect("an export is JSON"))
}

/// The contenders of the first metric.
fn contenders(run: &Value) -> &Vec<Value> {
    run["metrics"][0]["contenders"].as_array().expect("a metric has contenders")
}

#[test]
fn every_contender_does_its_work() {
    let (ended, run) = bench(&["--smoke"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let shape = (run["schema"].as_str(), run["finish"].as_str(), run["model"].as_str());
    assert_eq!(shape, (Some("bench/1"), Some("complete"), Some("threads")));
    let rows = run["rows"].as_array().unwrap();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in rows {
        // What is above a baseline may be anything in one tiny sample.
        let plain = row["above"].is_null();
        assert!(!plain || row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{row}");
        assert!(plain || row["above"]["ours"].is_f64() && row["above"]["cost"].is_f64(), "{row}");
        assert!(row["ours"].is_f64() && row["peer"].is_f64(), "{row}");
        let goal = (row["met"].as_bool(), row["interval"]["coverage"].as_f64());
        assert_eq!(goal, (None, None), "one round says nothing about a goal: {row}");
        assert!(row["metric"].as_str().is_some_and(|name| !name.starts_with("dummy")), "{row}");
    }
    assert!(ended.out.contains("contenders did their work, and rightly"), "{}", ended.out);
    // Names of files are as long as they are.
    let mut lines = ended.out.lines().filter(|line| !line.contains("bench.json"));
    assert!(lines.all(|line| line.chars().count() <= 80), "{}", ended.out);
}

#[test]
fn a_wrong_answer_has_no_time_and_is_the_gravest() {
    for (metric, words) in [
        ("dummy.wrong-count", "999 operations were counted, right is 1000"),
        ("dummy.wrong-sum", "the results add up to 7, right is 499500"),
    ] {
        let (ended, run) = bench(&["--metric", metric, "--rounds", "2"]);
        assert_eq!(ended.code, Some(4), "{}{}", ended.out, ended.err);
        let (row, wrong) = (&run["rows"][0], &contenders(&run)[1]);
        assert!(row["ours"].is_f64() && row["peer"].is_null() && row["ratio"].is_null(), "{row}");
        assert_eq!(wrong["problem"]["wrong"], true);
        let why = wrong["problem"]["why"].as_str().unwrap();
        assert!(why.starts_with(words) && ended.out.contains("WRONG"), "{why}: {}", ended.out);
        assert!(wrong["samples"].as_array().unwrap().is_empty(), "{wrong}");
    }
}

#[test]
fn a_contender_that_fails_is_reported_for_what_it_did() {
    for (metric, timeout, words) in [
        ("dummy.panic", "100", "as it was asked to"),
        // Those beside it have to answer within that.
        ("dummy.hang", "5", "no answer within"),
        ("dummy.rubbish", "100", "it said what is no answer: not a sample"),
    ] {
        let (ended, run) = bench(&["--metric", metric, "--rounds", "1", "--timeout", timeout]);
        assert_eq!(ended.code, Some(1), "{metric}: {}{}", ended.out, ended.err);
        let why = contenders(&run)[1]["problem"]["why"].to_string();
        assert!(why.contains(words), "{why}");
        assert!(!contenders(&run)[0]["samples"].as_array().unwrap().is_empty(), "{metric}");
    }
}

#[test]
fn a_goal_that_is_missed_closes_the_gate_and_nothing_else() {
    let code = |arguments: &[&str]| {
        let (ended, run) = bench(&[&["--metric", "dummy.missed"], arguments].concat());
        (ended.code, run["rows"][0]["met"].as_bool())
    };
    assert_eq!(code(&["--rounds", "6"]), (Some(0), Some(false)));
    assert_eq!(code(&["--rounds", "6", "--gate"]), (Some(3), Some(false)));
    assert_eq!(code(&["--rounds", "5", "--gate"]), (Some(5), None), "too few to judge");
}

#[test]
fn slices_are_taken_by_turns_beside_each_peer() {
    let (ended, run) = bench(&["--metric", "dummy.slices", "--rounds", "2"]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    let [ours, right, once, base] = &contenders(&run)[..] else { panic!("four: {run}") };
    let problem = once["problem"]["why"].as_str().unwrap();
    assert!(problem.contains("it was asked twice"), "{problem}");
    for contender in [ours, right, base] {
        assert!(contender["problem"].is_null(), "beside another peer it is right: {contender}");
        let samples = contender["samples"].as_array().unwrap();
        let mut judged: Vec<_> = samples
            .iter()
            .filter(|sample| sample["quarantined"] == false)
            .map(|sample| ["round", "beside", "slice"].map(|field| sample[field].as_u64().unwrap()))
            .collect();
        judged.sort_unstable();
        let expected = [[0, 1, 0], [0, 1, 1], [0, 1, 2], [1, 1, 0], [1, 1, 1], [1, 1, 2]];
        assert_eq!(judged, expected, "{contender}");
    }
    let rows = run["rows"].as_array().unwrap();
    let rounds = rows.iter().map(|row| row["rounds"].as_u64());
    assert_eq!(rounds.collect::<Vec<_>>(), [Some(2), Some(0)], "{run}");
    assert!(rows[0]["above"]["ours"].is_f64() && rows[0]["above"]["cost"].is_f64(), "{run}");
}

#[test]
fn more_instructions_than_recorded_are_missed() {
    let valgrind = Command::new("valgrind").arg("--version").output();
    if !cfg!(target_arch = "x86_64") || valgrind.is_err() {
        return; // There is nothing to count with.
    }
    let mut command = Command::new(program());
    command.args(["bench", "threads", "--instructions", "--metric", "dummy.missed"]);
    let ended = Started::new(&mut command).end();
    assert_eq!(ended.code, Some(3), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("dummy.missed") && ended.out.contains("TOO MANY"), "{}", ended.out);
}

#[test]
fn rounds_are_left_out_rather_than_exceed_the_budget() {
    let (ended, run) = bench(&["--metric", "cpu.idle", "--rounds", "100", "--budget", "1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!((run["rows"][0]["rounds"].as_u64(), run["rounds"].as_u64()), (Some(3), Some(100)));
}

#[test]
fn an_unknown_metric_is_refused_with_the_nearest() {
    let (ended, run) = bench(&["--metric", "queue.64.1x9"]);
    assert_eq!((ended.code, &run), (Some(2), &Value::Null), "{}", ended.err);
    assert!(ended.err.contains("did you mean queue.64.1x1?"), "{}", ended.err);
}

#[test]
fn ctrl_c_keeps_what_was_measured_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let (started, pid, sample) = hanging(&["--export", &format!("json={}", file.display())]);
    kill_process(pid, Signal::INT).unwrap();
    let ended = started.end();
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(ended.out.contains("INTERRUPTED"), "{}", ended.out);
    assert_eq!(read(&file)["finish"], "interrupted");
    wait_for_end_of(&sample);
}

#[test]
fn a_sample_that_hangs_dies_with_a_harness_that_is_killed() {
    let (started, pid, sample) = hanging(&[]);
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(started.end().code, None);
    wait_for_end_of(&sample);
}

/// A bench that waits for a contender that hangs: the program, its id, and the contender's process.
fn hanging(arguments: &[&str]) -> (Started, Pid, Identity) {
    let mut command = Command::new(program());
    command.args(["bench", "threads", "--metric", "dummy.hang", "--timeout", "100"]);
    let mut started = Started::new(command.args(arguments));
    started.wait_for("threads: about");
    let pid = i32::try_from(started.id()).ok().and_then(Pid::from_raw);
    let pid = pid.expect("it is that of a process");
    let sample = wait_for_child_of(pid, |child| {
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        // It is parked: it has told the kernel to end it with its parent before that.
        let place = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        line.split('\0').any(|word| word == "wrong") && place.contains(") S ")
    });
    (started, pid, sample)
}
