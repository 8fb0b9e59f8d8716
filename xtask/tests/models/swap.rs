//! The swap test: one source, two models.

use std::os::unix::process::ExitStatusExt;

use crate::built::{answer, root, run};

/// SIGSEGV.
const SEGMENTATION_FAULT: i32 = 11;

#[test]
fn both_models_say_the_same_until_the_segfault() {
    let (threads, processes) = (run("threads", "swap", &[]), answer("processes", "swap", &[]));
    let before = String::from_utf8(threads.stdout).unwrap();
    assert_eq!(before.lines().count(), 5, "{before}");
    assert!(processes.starts_with(&before), "{before}\n{processes}");
    assert_eq!(threads.status.signal(), Some(SEGMENTATION_FAULT), "threads share its fate");
    let after: Vec<&str> = processes[before.len()..].lines().collect();
    assert!(after[0].starts_with("segfault: Err(") && after[0].contains("lost"), "{after:?}");
    assert_eq!(after[1..], ["and on: 111"]);
}

#[test]
fn both_models_wait_alike() {
    let threads = answer("threads", "swap_waiting", &[]);
    assert_eq!(threads.lines().count(), 7, "{threads}");
    assert_eq!(threads, answer("processes", "swap_waiting", &[]));
}

#[test]
fn the_readme_shows_the_program() {
    let (readme, program) = (root().join("README.md"), root().join("docs/swap.rs"));
    let readme = std::fs::read_to_string(readme).unwrap();
    assert!(readme.contains(&std::fs::read_to_string(program).unwrap()), "README.md differs");
}
