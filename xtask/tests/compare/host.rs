//! A lane host, started by hand.

use std::process::Command;

use crate::started::{Ended, Started};

/// Runs the host of `threads` by hand.
fn by_hand(arguments: &[&str]) -> Ended {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["run", "--quiet", "--package", "threads-lane", "--"]).args(arguments);
    Started::new(&mut cargo).end()
}

#[test]
fn it_prints_a_verified_result() {
    let ended = by_hand(&["cpu.coarse"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("threads cpu.coarse uniform: verified "), "{}", ended.out);
}

#[test]
fn wrong_use_is_refused() {
    for (arguments, words) in [
        (&["cpu.cores"][..], "no workload is called cpu.cores"),
        (&["cpu.coarse", "--workers", "0"], "--workers must be at least 1"),
        (&["cpu.coarse", "--lane", "nobody"], "it has no such lane"),
        (&["cpu.coarse", "--upstream", "nowhere"], "invalid socket address"),
    ] {
        let ended = by_hand(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
    }
}
