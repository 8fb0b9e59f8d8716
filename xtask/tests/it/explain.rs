//! `explain` and `list --workloads`.

use std::collections::HashSet;

use common::workload::{self, Setting, Tier};

use crate::program::xtask;

#[test]
fn a_workload_is_explained() {
    let said = xtask(&["explain", "cpu.coarse"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for wanted in [
        "cpu.coarse: how much does computing gain from more workers?",
        "seq, threads, processes,",
        "digest",
        "Python threads do not speed up computing",
        "cargo xtask compare cpu.coarse",
    ] {
        assert!(said.out.contains(wanted), "{wanted}: {}", said.out);
    }
    for (tier, name) in [(Tier::Smoke, "smoke"), (Tier::Quick, "quick"), (Tier::Full, "full")] {
        let inputs = std::env::temp_dir();
        let setting = Setting { tier, ns_per_iteration: 1.0, inputs, files: None };
        let points = workload::find("cpu.coarse").unwrap().points(&setting).unwrap();
        for (number, point) in points.iter().enumerate() {
            let lead = if number == 0 { name } else { "" };
            let wanted = format!("\n  {lead:<6} {}: {}\n", point.label, point.size);
            assert!(said.out.contains(&wanted), "{wanted}: {}", said.out);
        }
    }
    assert!(said.out.is_ascii() && said.out.lines().all(|line| line.len() <= 80), "{}", said.out);
}

#[test]
fn each_kind_of_verification_is_explained() {
    for (workload, wanted) in [
        ("fault.matrix", "must name the culprit"),
        ("dummy.hang", "the lane host never answers: the comparison has to call that"),
        ("dummy.wrong-digest", "end with exit code 4."),
        ("real.crawl", "without fetching anything"),
        ("cpu.tree", "from the leaves upwards"),
        ("cpu.stencil", "computed cell by cell"),
        ("spawn.tree", "Every result is folded"),
    ] {
        let said = xtask(&["explain", workload]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(wanted), "{}", said.out);
    }
}

#[test]
fn an_unknown_workload_has_a_nearest_one() {
    for command in [&["explain", "cpu.corse"][..], &["compare", "explain", "cpu.corse"]] {
        let said = xtask(command);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        assert!(said.err.contains("no workload is called cpu.corse; did you mean cpu.coarse?"));
    }
    let said = xtask(&["explain", "quicksort"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("no workload is called quicksort (there are: "), "{}", said.err);
}

#[test]
fn all_workloads_are_listed() {
    let said = xtask(&["list", "--workloads"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let lines_of = |out: &str, id: &str| {
        out.lines().filter(|line| line.starts_with(&format!("  {id} "))).count()
    };
    let all = xtask(&["list", "--workloads", "--all"]);
    assert_eq!((all.code, all.err.as_str()), (Some(0), ""));
    for workload in workload::ALL.iter().map(|workload| workload.id()) {
        let is_dummy = workload.starts_with("dummy.");
        assert_eq!(lines_of(&said.out, workload), usize::from(!is_dummy), "{}", said.out);
        assert_eq!(lines_of(&all.out, workload), 1, "{}", all.out);
    }
    assert_eq!((lines_of(&said.out, "dummy.*"), lines_of(&all.out, "dummy.*")), (1, 0));
    assert!(said.out.contains("(6 ways: list --all)"), "{}", said.out);
    let dummies: Vec<&str> = all.out.lines().filter(|line| line.contains("  dummy.")).collect();
    let says: HashSet<&str> = dummies
        .iter()
        .filter_map(|line| line.split_once("  dummy.")?.1.split_once("  "))
        .map(|says| says.1)
        .collect();
    assert_eq!(says.len(), 6, "each says what it does: {}", all.out);
    assert_eq!(xtask(&["compare", "list", "--workloads"]).out, said.out);
    assert!(said.out.is_ascii() && said.out.lines().all(|line| line.len() <= 80), "{}", said.out);
}
