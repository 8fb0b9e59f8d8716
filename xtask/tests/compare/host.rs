//! A lane host, started by hand.

use std::process::Command;

use xtask::{host, workspace::Workspace};

use crate::started::{Ended, Started};

/// Runs the host of `threads` by hand.
fn by_hand(arguments: &[&str]) -> Ended {
    // As a comparison builds it, so that it is built once.
    let built = host::build(&Workspace::find()).expect("the hosts build");
    let host = built.hosts.iter().find(|path| path.ends_with("threads-lane"));
    Started::new(Command::new(host.expect("it is one of them")).args(arguments)).end()
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
