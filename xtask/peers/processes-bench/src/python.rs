//! Python's pools, each sample in a Python process of its own, which takes the times itself.

use std::process::{Command, Stdio};

use sampler::{Contender, Sample, Tally, Times};
use serde::Deserialize;

/// The program that takes samples; it lies beside this one's sources.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/pools.py");

/// Contenders that need nothing but Python.
const STANDARD: &[&str] =
    &["py-pool", "py-executor", "py-process-fork", "py-process-spawn", "py-queue"];

/// What the script says.
#[derive(Debug, Deserialize)]
struct Answer {
    /// Wall-clock time in nanoseconds.
    wall_ns: u64,
    /// Processor time in nanoseconds, in metrics that are about it.
    cpu_ns: u64,
    /// Results.
    count: u64,
    /// What they add up to.
    sum: u64,
}

/// A contender of this metric with so many workers.
pub(crate) fn contender(metric: &str, name: &'static str, workers: usize) -> Contender {
    let metric = metric.to_owned();
    Contender::new(name, move |units| {
        let mut command = Command::new("python3");
        command.args([SCRIPT, &metric, name, &units.to_string(), &workers.to_string()]);
        // What it has to say about itself goes where ours goes.
        let said = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let said = said.expect("python3 can be started");
        assert!(said.status.success(), "python3 ended with {}", said.status);
        let answer: Answer =
            serde_json::from_slice(&said.stdout).expect("the script prints an answer");
        let times = Times { wall_ns: answer.wall_ns, cpu_ns: answer.cpu_ns };
        let found = Tally { count: answer.count, sum: answer.sum };
        Sample::new(units, times, found, Tally::of_range(units))
    })
}

/// The contenders that cannot be had here, each group with the sentence that says so.
pub(crate) fn absent() -> Vec<(&'static [&'static str], String)> {
    if !imports("multiprocessing") {
        let all = [(STANDARD, "python3"), (&["loky"], "loky"), (&["pebble"], "pebble")];
        return all.map(|(names, what)| (names, missing(what))).into();
    }
    let modules: [(&'static [&'static str], &str); 2] =
        [(&["loky"], "loky"), (&["pebble"], "pebble")];
    let gone = modules.into_iter().filter(|(_, module)| !imports(module));
    gone.map(|(names, module)| (names, missing(module))).collect()
}

/// That something is not there.
fn missing(what: &str) -> String {
    match what {
        "python3" => "not found: python3; Python's pools are not measured".into(),
        module => format!("not found: {module} (for python3); it is not measured"),
    }
}

/// Whether Python has this module.
fn imports(module: &str) -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", &format!("import {module}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
