//! Counts instructions: what times show only when nothing disturbs them.
//!
//! A program is run twice under valgrind's callgrind, with N units and with twice as many: what the
//! second run needs more is what N units need, without the start of the program and its threads.

use std::{
    env, fs,
    path::Path,
    process::{self, Command, Stdio},
};

use crate::{
    compare::report::{Look, Page, Terminal},
    error::{Error, Result},
    exit::Exit,
};

use super::{
    contract::{Counted, Metric},
    options::Options,
    program::{NoSample, Program},
    record::Problem,
};

/// By how much the instructions may be more than what is recorded: compilers differ.
const SLACK: f64 = 1.1;

/// Below which share of what is recorded the record is out of date.
const STALE: f64 = 0.8;

/// How often a number that is too large is counted again, in case that a thread had to wait for
/// another one just then; the smallest counts.
const AGAIN: usize = 2;

/// What there has to be, in words; `None`: it is there.
pub(crate) fn missing() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("instructions are recorded for x86_64 Linux only".into());
    }
    let mut version = Command::new("valgrind");
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = version.status().is_ok_and(|status| status.success());
    (!is_there).then(|| "valgrind is not installed".into())
}

/// Counts the instructions of these, shows them, and says whether they are as few as recorded.
///
/// # Errors
/// When there is no valgrind, the user interrupts, or nothing can be printed.
pub(super) fn count(
    program: &Program,
    metrics: &[Metric],
    counted: &[Counted],
    options: &Options,
    terminal: &Terminal,
) -> Result<Exit> {
    if let Some(missing) = missing() {
        return Err(Error::failed(format!("failed to count instructions: {missing}")));
    }
    let log = env::temp_dir().join(format!("callgrind-{}.log", process::id()));
    let mut page = Page::new(terminal);
    page.heading("Instructions of a unit");
    let mut exit = Exit::Ok;
    for one in counted {
        let metric = metrics.iter().find(|metric| metric.name == one.metric);
        let metric = metric.ok_or_else(|| {
            Error::failed(format!("{} is to be counted, and there is no such metric", one.metric))
        })?;
        let once = || difference(program, &metric.ours, one, options, &log);
        let found = lowest(one.recorded * SLACK, once);
        fs::remove_file(&log).ok();
        let (look, ended) = match &found {
            Ok(each) if *each <= one.recorded * SLACK => (Look::Good, Exit::Ok),
            Ok(_) => (Look::Bad, Exit::GoalMissed),
            Err(NoSample::Interrupted) => return Err(Error::interrupted()),
            Err(NoSample::Problem(problem)) if problem.wrong => (Look::Bad, Exit::WrongOutput),
            Err(NoSample::Problem(_)) => (Look::Bad, Exit::Failed),
        };
        page.item(&format!("  {:<18} ", one.metric), look, &said(one, &metric.unit, &found));
        exit = exit.worse(ended);
    }
    terminal.print(&page.finish())?;
    Ok(exit)
}

/// The number of instructions as it is counted, again as long as it is above this limit.
fn lowest(
    limit: f64,
    mut once: impl FnMut() -> std::result::Result<f64, NoSample>,
) -> std::result::Result<f64, NoSample> {
    let mut each = once()?;
    for _ in 0..AGAIN {
        if each > limit {
            each = each.min(once()?);
        }
    }
    Ok(each)
}

/// The instructions of a unit.
fn difference(
    program: &Program,
    ours: &str,
    counted: &Counted,
    options: &Options,
    log: &Path,
) -> std::result::Result<f64, NoSample> {
    let collected = |units| {
        program.sample_counted(&counted.metric, ours, units, options.limit, log)?;
        let words = fs::read_to_string(log).unwrap_or_default();
        collected(&words).ok_or_else(|| {
            let why = "callgrind has not said how many".into();
            NoSample::Problem(Problem { wrong: false, why })
        })
    };
    let (once, twice) = (collected(counted.units)?, collected(2 * counted.units)?);
    Ok((twice as f64 - once as f64) / counted.units as f64)
}

/// The instructions that callgrind has counted, from what it says at the end.
fn collected(words: &str) -> Option<u64> {
    let numbers = words.lines().find_map(|line| line.split_once("Collected :"))?.1;
    numbers.split_whitespace().next()?.parse().ok()
}

/// How many it were, and what that means.
fn said(counted: &Counted, unit: &str, found: &std::result::Result<f64, NoSample>) -> String {
    let Counted { recorded, .. } = counted;
    let each = match found {
        Ok(each) => each,
        Err(NoSample::Interrupted) => return "interrupted".into(),
        Err(NoSample::Problem(problem)) => return problem.why.clone(),
    };
    let counts = format!("{each:.1} per {unit}, recorded {recorded:.1}");
    if *each > recorded * SLACK {
        let factor = each / recorded;
        format!(
            "{counts}: TOO MANY, {factor:.2} times as many, and {SLACK} times are allowed; do with \
             fewer, or record the new number where the bench program lists what is counted"
        )
    } else if *each < recorded * STALE {
        format!("{counts}: fewer than that; record the new number")
    } else {
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as these for each unit, where ten are recorded.
    fn words(each: f64) -> String {
        let metric = "join".into();
        let counted = Counted { metric, units: 100, recorded: 10.0, named_only: false };
        said(&counted, "node", &Ok(each))
    }

    #[test]
    fn what_callgrind_says_is_understood() {
        let words = "==7== Callgrind, a call-graph generating cache profiler\n==7== \n\
                     ==7== Events    : Ir\n==7== Collected : 29263919\n==7== \n\
                     ==7== I   refs:      29,263,919\n";
        assert_eq!(collected(words), Some(29_263_919));
        assert_eq!(collected("==7== Collected : 12 3 4\n"), Some(12), "with caches: more events");
        for rubbish in ["", "==7== Collected :\n", "==7== Collected : many\n", "Events : Ir"] {
            assert_eq!(collected(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn a_tenth_more_is_allowed_and_not_more() {
        assert_eq!(words(10.9), "10.9 per node, recorded 10.0");
        assert!(words(11.1).contains("TOO MANY, 1.11 times"), "{}", words(11.1));
        assert_eq!(words(8.1), "8.1 per node, recorded 10.0");
        assert!(words(7.9).contains("record the new number"), "{}", words(7.9));
    }

    #[test]
    fn too_many_are_counted_again_and_the_lowest_counts() {
        let counted = |counts: &[f64]| {
            let mut left = counts.iter();
            let each = lowest(11.0, || Ok(*left.next().expect("it is not counted that often")));
            (each.unwrap(), left.len())
        };
        assert_eq!(counted(&[10.0, 1.0]), (10.0, 1), "it was few enough");
        assert_eq!(counted(&[12.0, 10.5, 1.0]), (10.5, 1));
        assert_eq!(counted(&[14.0, 12.0, 13.0, 1.0]), (12.0, 1), "three times at most");
        let fails = || Err(NoSample::Problem(Problem { wrong: false, why: "no".into() }));
        assert!(lowest(11.0, fails).is_err());
    }
}
