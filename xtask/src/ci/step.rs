//! Runs checks one after the other and says how each went.

use std::{
    fmt,
    io::{Write, stdout},
    path::Path,
    time::{Duration, Instant},
};

use super::command_line::CommandLine;
use crate::{
    error::{Error, Result},
    exit::Exit,
};

/// One of several checks.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// By which it can be chosen.
    pub(crate) name: &'static str,
    /// What holds if it passes.
    pub(crate) about: &'static str,
    /// What it does.
    pub(crate) action: Action,
    /// Whether it runs only when asked for.
    pub(crate) is_extra: bool,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// It runs a command, which must succeed.
    Run(CommandLine),
    /// It cannot be done here, and need not be; and why.
    Skip(String),
    /// It cannot be done although it must be; and why.
    Fail(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(line) => line.fmt(f),
            Self::Skip(why) => write!(f, "skipped: {why}"),
            Self::Fail(why) => write!(f, "cannot run: {why}"),
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// It passed.
    Ok,
    /// It was skipped, and why.
    Skipped(String),
    /// It failed, and how.
    Failed(String),
}

/// Runs the steps in this folder until one fails, and then sums up.
///
/// # Errors
/// When a command cannot be started, or there is nowhere to print to.
pub(crate) fn run(steps: &[Step], root: &Path) -> Result<Exit> {
    run_and_say(steps, root, &mut stdout())
}

/// As [`run`], and says so here.
fn run_and_say(steps: &[Step], root: &Path, out: &mut impl Write) -> Result<Exit> {
    let begin = Instant::now();
    let mut ended = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let title = format!("{}/{} {}: {}", index + 1, steps.len(), step.name, step.about);
        say(out, &format!("\n=== {title}\n    {}", step.action))?;
        let started = Instant::now();
        let end = execute(&step.action, root)?;
        let took = started.elapsed();
        say(out, &format!("=== {}", outcome(step.name, &end, took)))?;
        let failed = matches!(end, End::Failed(_));
        ended.push((end, took));
        if failed {
            break;
        }
    }
    say(out, &summary(steps, &ended, begin.elapsed()))?;
    let failed = ended.iter().any(|(end, _)| matches!(end, End::Failed(_)));
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// Runs one step.
fn execute(action: &Action, root: &Path) -> Result<End> {
    match action {
        Action::Skip(why) => Ok(End::Skipped(why.clone())),
        Action::Fail(why) => Ok(End::Failed(why.clone())),
        Action::Run(line) => {
            let status = line.command(root).and_then(|mut command| command.status());
            let status = status
                .map_err(|error| Error::failed(format!("failed to start {line}: {error}")))?;
            Ok(if status.success() { End::Ok } else { End::Failed(status.to_string()) })
        }
    }
}

/// One line on how a step ended.
fn outcome(name: &str, end: &End, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match end {
        End::Ok => format!("{name:8} ok       {seconds:7.1} s"),
        End::Skipped(why) => format!("{name:8} skipped  {why}"),
        End::Failed(how) => format!("{name:8} FAILED   {seconds:7.1} s, {how}"),
    }
}

/// How all of them ended, and which were not begun.
fn summary(steps: &[Step], ended: &[(End, Duration)], took: Duration) -> String {
    let mut lines = vec!["\nsummary:".to_owned()];
    for (index, step) in steps.iter().enumerate() {
        lines.push(match ended.get(index) {
            Some((end, took)) => format!("  {}", outcome(step.name, end, *took)),
            None => format!("  {:8} not run", step.name),
        });
    }
    let failed = steps.iter().zip(ended).find(|(_, (end, _))| matches!(end, End::Failed(_)));
    let verdict = match failed {
        Some((Step { name, action: Action::Run(line), .. }, _)) => {
            format!("{name} failed; by itself: {line}")
        }
        Some((Step { name, .. }, _)) => format!("{name} failed"),
        None => "all steps passed".into(),
    };
    lines.push(format!("{verdict} ({:.0} s)", took.as_secs_f64()));
    lines.join("\n")
}

/// Prints a line at once: what commands print comes between these lines.
fn say(out: &mut impl Write, line: &str) -> Result<()> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| Error::failed(format!("failed to write to standard output: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that does this.
    fn step(name: &'static str, action: Action) -> Step {
        Step { name, about: "a test", action, is_extra: false }
    }

    /// A step whose command ends in this way.
    fn cargo_says(name: &'static str, argument: &str) -> Step {
        step(name, Action::Run(CommandLine::cargo([argument])))
    }

    /// How these steps end, and what is said about it.
    fn ran(steps: &[Step]) -> (Exit, String) {
        let root = tempfile::tempdir().unwrap();
        let mut said = Vec::new();
        let exit = run_and_say(steps, root.path(), &mut said).unwrap();
        (exit, String::from_utf8(said).unwrap())
    }

    #[test]
    fn the_first_failure_ends_it() {
        let good = || cargo_says("good", "--version");
        let (exit, said) = ran(&[good(), good()]);
        assert_eq!(exit, Exit::Ok);
        assert!(said.contains("=== 2/2 good: a test\n    cargo --version\n"), "{said}");
        let bad = cargo_says("bad", "this-failure-is-planted-by-a-test");
        let (exit, said) = ran(&[good(), bad, good()]);
        assert_eq!(exit, Exit::Failed);
        assert!(said.contains("2/3 bad") && !said.contains("3/3 good"), "{said}");
        assert!(said.contains("bad failed; by itself: cargo this-failure"), "{said}");
    }

    #[test]
    fn what_cannot_run_is_a_failure_unless_it_may_be_skipped() {
        let because = || "it is not there".to_owned();
        let (exit, said) = ran(&[step("impossible", Action::Fail(because()))]);
        assert_eq!(exit, Exit::Failed);
        assert!(said.contains("impossible failed (0 s)") && said.contains(&because()), "{said}");
        let (exit, said) = ran(&[step("needless", Action::Skip(because()))]);
        assert_eq!(exit, Exit::Ok);
        assert!(said.contains("skipped  it is not there"), "{said}");
    }

    #[test]
    fn the_summary_names_what_failed_and_what_was_not_run() {
        let steps = ["one", "two", "three"].map(|name| cargo_says(name, "x"));
        let ended =
            [(End::Ok, Duration::from_secs(2)), (End::Failed("it fell".into()), Duration::ZERO)];
        let summary = summary(&steps, &ended, Duration::from_secs(3));
        assert!(summary.contains("one      ok           2.0 s"), "{summary}");
        assert!(summary.contains("two      FAILED") && summary.contains("it fell"), "{summary}");
        assert!(summary.contains("three    not run"), "{summary}");
        assert!(summary.ends_with("two failed; by itself: cargo x (3 s)"), "{summary}");
    }
}
