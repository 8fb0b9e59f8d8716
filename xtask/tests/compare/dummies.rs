//! Lane hosts that misbehave: the tool must report each way of it.

use crate::started::{cells, compare};

#[test]
fn each_misbehaviour_is_reported_for_what_it_is() {
    // All but the one that hangs: nobody else may run out of time, however slow the machine is.
    let names = ["dummy.wrong", "dummy.panic", "dummy.crash", "dummy.rubbish", "dummy.set-up"];
    let ended = compare(&[&names[..], &["--timeout", "100", "--message-format", "json"]].concat());
    assert_eq!(ended.code, Some(4), "a wrong output is the gravest: {}", ended.err);
    let run = ended.run();
    let seen: Vec<(&str, &str)> = cells(&run)
        .iter()
        .map(|cell| {
            (
                cell["workload"].as_str().unwrap(),
                cell["verify"]["problem"]["kind"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("dummy.wrong-digest", "wrong-digest"),
        ("dummy.panic", "crashed"),
        ("dummy.crash", "crashed"),
        ("dummy.rubbish", "rubbish"),
        ("dummy.set-up", "failed"),
    ];
    assert_eq!(seen, expected);
    for cell in cells(&run) {
        assert_eq!(cell["verify"]["ok"], false);
        assert!(
            cell["samples"].as_array().unwrap().is_empty(),
            "no time of a wrong result: {cell}"
        );
    }
}

#[test]
fn a_host_that_hangs_fails_the_comparison() {
    let ended = compare(&["dummy.hang", "--timeout", "1", "--message-format", "json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let run = ended.run();
    let problem = &cells(&run)[0]["verify"]["problem"];
    assert_eq!(problem["kind"], "timeout");
    assert!(problem["why"].as_str().unwrap().contains("no answer within"), "{problem}");
}
