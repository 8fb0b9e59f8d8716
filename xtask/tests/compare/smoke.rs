//! Every workload in every lane it is asked of, small.

use std::{env, ffi::OsString, os::unix::fs::symlink, path::Path, process::Command};

use serde_json::Value;
use xtask::compare::question::{QUESTIONS, Question};

use crate::started::{Ended, Started, cells, compare, program};

#[test]
fn every_cell_is_verified_and_nothing_is_left_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program());
    command.args(["compare", "--tier", "smoke", "--rounds", "1", "--message-format", "json"]);
    let ended = Started::new(command.env("TMPDIR", temporary.path())).end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let mut left: Vec<_> = temporary.path().read_dir().expect("it is there").flatten().collect();
    // Records of event loops that died are kept, for whoever wants to know why.
    left.retain(|entry| !entry.file_name().to_string_lossy().starts_with("evented-"));
    assert!(left.is_empty(), "temporary files are left: {left:?}");
    let run = ended.run();
    assert_eq!(
        (run["schema"].as_str(), run["finish"].as_str()),
        (Some("compare/1"), Some("complete"))
    );
    for cell in cells(&run) {
        let name = format!("{} {} {}", cell["workload"], cell["point"], cell["lane"]);
        let expected =
            if cell["support"]["kind"] == "no" { Value::Null } else { Value::Bool(true) };
        assert_eq!(cell["verify"]["ok"], expected, "{name}: {}", cell["verify"]);
        assert!(cell["fault"].is_object() == (cell["workload"] == "fault.matrix"), "{name}");
        if cell["language"] == "rust" {
            for left in cell["samples"].as_array().unwrap().iter().map(|sample| &sample["left"]) {
                for what in ["threads", "children", "descriptors"] {
                    assert!(left[what].as_i64().is_none_or(|count| count <= 0), "{name}: {left}");
                }
            }
        }
    }
    assert_eq!(asked(&run), QUESTIONS.map(|question| lanes_that_exist(&run, &question)));
}

/// The lanes that each question was asked of, in order.
fn asked(run: &Value) -> [Vec<String>; QUESTIONS.len()] {
    QUESTIONS.map(|question| {
        let mut lanes: Vec<String> = Vec::new();
        for cell in cells(run).iter().filter(|cell| cell["workload"] == question.workload) {
            let lane = cell["lane"].as_str().expect("a lane has a name").to_owned();
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
        lanes
    })
}

/// The lanes that a question has to be asked of: all of its own, without those of Python where there
/// is no Python.
fn lanes_that_exist(run: &Value, question: &Question) -> Vec<String> {
    let has_python = run["environment"]["host python"].is_string();
    let exists = |lane: &&&str| has_python || !lane.starts_with("py-");
    question.lanes.iter().filter(exists).map(|lane| (*lane).to_owned()).collect()
}

#[test]
fn one_worker_is_enough() {
    let lanes = "threads,processes,evented,evented+offload,evented x threads";
    let arguments = ["--tier", "smoke", "--rounds", "1", "--workers", "1", "--lanes", lanes];
    let ended =
        compare(&[&arguments[..], &["cpu.coarse", "crawl", "--message-format", "json"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let run = ended.run();
    assert_eq!(run["environment"]["workers"], "1");
    let of_pools = |cell: &&Value| {
        cell["workload"] == "cpu.coarse"
            && (cell["lane"] == "threads" || cell["lane"] == "processes")
    };
    let mut samples = 0;
    for cell in cells(&run).iter().filter(of_pools) {
        for sample in cell["samples"].as_array().unwrap() {
            assert_eq!(sample["units"], 1, "one thread, or one process: {cell}");
            samples += 1;
        }
    }
    assert!(samples >= 2, "only {samples} samples");
}

#[test]
fn peers_are_built_when_they_are_asked_for_and_are_verified() {
    let arguments = ["--tier", "smoke", "--rounds", "1", "--message-format", "json"];
    let lanes = |run: &Value, workload: &str| -> Vec<(String, bool)> {
        let of = cells(run).iter().filter(|cell| cell["workload"] == workload);
        let ran = |cell: &Value| cell["support"]["kind"] != "no" && cell["verify"]["ok"] == true;
        of.map(|cell| (cell["lane"].as_str().unwrap().to_owned(), ran(cell))).collect()
    };
    let ended = compare(&[&arguments[..], &["--lanes", "seq,chili", "spawn.tree"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let named = [("seq", true), ("chili", true), ("seq", true), ("chili", false)];
    let named = named.map(|(lane, ran)| (lane.to_owned(), ran));
    let run = ended.run();
    assert_eq!(lanes(&run, "spawn.tree"), named, "chili runs no graph");
    let answer = &run["answers"][0];
    // Which of the two is named first is a matter of luck in one round.
    let text = answer["text"].as_str().unwrap_or_default();
    assert!(text.contains("chili") && text.contains("seq"), "a peer that ran is judged: {answer}");

    // A host whose program is not there is not built, and it is said why.
    let mut command = Command::new(program());
    command.arg("compare").args(arguments).args(["--peers", "cpu.stencil"]);
    let links = tempfile::tempdir().expect("a folder");
    let path = path_without("nats-server", links.path());
    let ended = Started::new(command.env("PATH", path)).end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let run = ended.run();
    let missing = run["missing"].to_string();
    let hint = "processes@nats: not found: nats-server (apt-get install nats-server, or give --cluster URL)";
    assert!(missing.contains(hint), "{missing}");
    let all = lanes(&run, "cpu.stencil");
    for (peer, runs) in [("rayon", true), ("chili", true), ("std", true), ("tokio", false)] {
        let of: Vec<bool> =
            all.iter().filter(|(lane, _)| lane == peer).map(|(_, ran)| *ran).collect();
        assert_eq!(of, [runs; 2], "{peer}: {all:?}");
    }
    assert!(all.contains(&("threads".into(), true)), "with those of the question: {all:?}");
    assert!(run["environment"]["host peers-lane"].is_string(), "{}", run["environment"]);
}

/// Where programs are looked for, without this one: instead of folders that have it, `links` has links to
/// all else that is in them.
fn path_without(program: &str, links: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let (with, mut folders): (Vec<_>, Vec<_>) =
        env::split_paths(&path).partition(|folder| folder.join(program).exists());
    for entry in with.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        if entry.file_name() != program {
            // What is in two folders is that of the first.
            symlink(entry.path(), links.join(entry.file_name())).ok();
        }
    }
    folders.push(links.to_owned());
    env::join_paths(folders).expect("they came from there")
}

#[test]
fn without_python_a_line_says_so() {
    let mut command = Command::new(program());
    command.args(["compare", "cpu.coarse", "--tier", "smoke", "--rounds", "1"]);
    let ended = Started::new(command.env("TRIPTYCH_PYTHON", "/no/such/python")).end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("Python lanes: TRIPTYCH_PYTHON is"), "{}", ended.out);
}

#[test]
fn an_export_that_fails_at_the_end_fails_the_comparison_and_the_results_are_shown() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: there is no /dev/full");
        return;
    }
    let arguments = ["cpu.coarse", "--tier", "smoke", "--rounds", "1", "--lanes", "seq,threads"];
    let ended = compare(&[&arguments[..], &["--export", "csv=/dev/full"]].concat());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("failed to write the export /dev/full"), "{}", ended.err);
    assert!(ended.out.contains("To compute (cpu.coarse)"), "{}", ended.out);
    assert!(!ended.out.contains("/dev/full\n  "), "{}", ended.out);
}

/// `xtask` with these arguments, unable to write more than so many blocks of 512 bytes to a file.
///
/// The cargo it calls is not held to that: it may write the list of a program's sources again, which is longer than
/// 8 KiB in some folders, though there is nothing to build.
fn with_small_files(blocks: u32, arguments: &[&str]) -> Ended {
    // Programs may be run from there; and this process, whose threads start others, does not write it.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let write = "printf '%s\\n' '#!/bin/sh' \
        'ulimit -S -f \"$(ulimit -H -f)\" && exec \"$REAL_CARGO\" \"$@\"' >\"$CARGO\" && chmod +x \"$CARGO\"";
    // A write beyond the limit is an error, as on a full disk.
    let script = format!("{write} && trap '' XFSZ && ulimit -S -f {blocks} && exec \"$0\" \"$@\"");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(program()).args(arguments);
    shell.env("REAL_CARGO", cargo).env("CARGO", folder.path().join("cargo"));
    Started::new(&mut shell).end()
}

#[test]
fn results_that_cannot_be_saved_are_shown_all_the_same() {
    let arguments = ["compare", "cpu.coarse", "--tier", "smoke", "--rounds", "1", "--lanes", "seq"];
    // Builds what the build of the next one then finds.
    assert_eq!(compare(&arguments[1..]).code, Some(0));
    let ended = with_small_files(4, &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("failed to save the results to"), "{}", ended.err);
    assert!(ended.out.contains("cpu.coarse: 16 tasks"), "{}", ended.out);
    assert!(!ended.out.contains("run.json"), "it is not there: {}", ended.out);

    let arguments = ["bench", "threads", "--smoke", "--metric", "cpu.idle"];
    let mut command = Command::new(program());
    assert_eq!(Started::new(command.args(arguments)).end().code, Some(0));
    let ended = with_small_files(2, &arguments);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("failed to save the results to"), "{}", ended.err);
    assert!(ended.out.contains("contenders did their work, and rightly"), "{}", ended.out);
}
