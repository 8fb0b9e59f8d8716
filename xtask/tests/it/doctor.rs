//! `doctor`.

use crate::program::xtask;

#[test]
fn the_doctor_looks_at_everything_and_says_what_to_do() {
    let said = xtask(&["doctor"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for what in [
        "cores",
        "CPU quota",
        "threads and processes",
        "descriptors",
        "memory",
        "noise",
        "CPU governor",
        "machine",
        "Python",
        "git",
        "results",
        "disk",
    ] {
        let named = |line: &&str| {
            let line = line.strip_prefix("ok    ").or_else(|| line.strip_prefix("warn  "));
            line.is_some_and(|line| line.starts_with(&format!("{what}:")))
        };
        assert_eq!(said.out.lines().filter(named).count(), 1, "{what}: {}", said.out);
    }
    let count = |part: &str| said.out.lines().filter(|line| line.starts_with(part)).count();
    assert_eq!(count("warn  "), count("      -> "), "{}", said.out);
}

#[test]
fn colour_is_there_when_asked_for() {
    assert!(xtask(&["doctor", "--color", "always"]).out.contains("\u{1b}["));
    assert!(!xtask(&["doctor"]).out.contains('\u{1b}'));
}
