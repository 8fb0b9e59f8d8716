//! `explain` and `list --workloads`.

use crate::program::xtask;

#[test]
fn a_workload_is_explained() {
    let said = xtask(&["explain", "cpu.coarse"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for wanted in [
        "cpu.coarse: how much does computing gain from more workers?",
        "smoke  uniform: 16 tasks of 0.2 ms",
        "quick  uniform: 64 tasks of 2.0 ms",
        "full   uniform: 256 tasks of 2.0 ms",
        "straggler: 256 tasks",
        "seq, threads, processes,",
        "digest",
        "Python threads do not speed up computing",
        "cargo xtask compare cpu.coarse",
    ] {
        assert!(said.out.contains(wanted), "{wanted}: {}", said.out);
    }
    assert!(said.out.is_ascii() && said.out.lines().all(|line| line.len() <= 80), "{}", said.out);
}

#[test]
fn each_kind_of_verification_is_explained() {
    for (workload, wanted) in [
        ("fault.matrix", "must name the culprit"),
        ("dummy.hang", "misbehaves"),
        ("real.crawl", "without fetching anything"),
    ] {
        let said = xtask(&["explain", workload]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains(wanted), "{}", said.out);
    }
}

#[test]
fn an_unknown_workload_has_a_nearest_one() {
    for command in [&["explain", "cpu.corse"][..], &["compare", "explain", "cpu.corse"]] {
        let said = xtask(command);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        assert!(said.err.contains("no workload is called cpu.corse; did you mean cpu.coarse?"));
    }
}

#[test]
fn all_workloads_are_listed() {
    let said = xtask(&["list", "--workloads"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for workload in common::workload::ALL {
        assert!(said.out.contains(&format!("  {} ", workload.id())), "{}", said.out);
    }
    assert_eq!(xtask(&["compare", "list", "--workloads"]).out, said.out);
}
