//! Runs checks one after the other, some beside those that follow, and says how each went.

use std::{
    fmt,
    io::{Write, stdout},
    path::Path,
    time::{Duration, Instant},
};

use super::{beside::Beside, command_line::CommandLine};
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
    /// It runs a command, which must succeed and mostly waits. The steps that follow run beside it, up to
    /// the first one that measures; its output is shown when it has ended.
    Beside(CommandLine),
    /// It cannot be done here, and need not be; and why.
    Skip(String),
    /// It cannot be done although it must be; and why.
    Fail(String),
}

impl Action {
    /// What it runs, if it runs something.
    fn line(&self) -> Option<&CommandLine> {
        match self {
            Self::Run(line) | Self::Beside(line) => Some(line),
            Self::Skip(_) | Self::Fail(_) => None,
        }
    }

    /// Whether nothing may run beside it.
    fn measures(&self) -> bool {
        self.line().is_some_and(CommandLine::measures)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(line) | Self::Beside(line) => line.fmt(f),
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
    let mut running = Running { steps, root, beside: Vec::new(), ended: vec![None; steps.len()] };
    let ran = running.all(out);
    // Whatever happened, nothing that was started outlives this.
    let waited = running.wait_for_all(out);
    ran.and(waited)?;
    say(out, &summary(steps, &running.ended, begin.elapsed()))?;
    Ok(if running.has_failed() { Exit::Failed } else { Exit::Ok })
}

/// How a step ended, and how long it took; `None`: it was not begun, or has not ended.
type Ended = Option<(End, Duration)>;

/// Steps that are being run.
struct Running<'a> {
    /// All of them.
    steps: &'a [Step],
    /// The folder they run in.
    root: &'a Path,
    /// Those that run beside others, by their place.
    beside: Vec<(usize, Beside)>,
    /// What became of each.
    ended: Vec<Ended>,
}

impl Running<'_> {
    /// Runs all until one fails. Some may still run beside the last one then.
    fn all(&mut self, out: &mut impl Write) -> Result<()> {
        let steps = self.steps;
        for (index, step) in steps.iter().enumerate() {
            if step.action.measures() {
                self.wait_for_all(out)?;
            }
            if self.has_failed() {
                break;
            }
            let title = format!("{}/{} {}: {}", index + 1, steps.len(), step.name, step.about);
            say(out, &format!("\n=== {title}\n    {}", step.action))?;
            // Beside the last one, or one that measures, nothing would run.
            let has_company = steps.get(index + 1).is_some_and(|next| !next.action.measures());
            if let Action::Beside(line) = &step.action
                && has_company
            {
                self.beside.push((index, Beside::start(line, self.root)?));
                say(out, &format!("=== {} goes on beside what follows", step.name))?;
            } else {
                let started = Instant::now();
                let end = execute(&step.action, self.root, out)?;
                self.note(index, end, started.elapsed(), out)?;
            }
        }
        Ok(())
    }

    /// Waits for those that run beside others, and shows what they said.
    fn wait_for_all(&mut self, out: &mut impl Write) -> Result<()> {
        for (index, beside) in std::mem::take(&mut self.beside) {
            let (ended, took, said) = beside.end();
            say(
                out,
                &format!("\n=== {} ran beside the others, and said:", self.steps[index].name),
            )?;
            said.and_then(|mut said| std::io::copy(&mut said, out))
                .map_err(|error| Error::failed(format!("failed to show what was said: {error}")))?;
            let end = match ended {
                Ok(status) if status.success() => End::Ok,
                Ok(status) => End::Failed(status.to_string()),
                Err(error) => End::Failed(format!("it was not waited for: {error}")),
            };
            self.note(index, end, took, out)?;
        }
        Ok(())
    }

    /// Notes how a step ended, and says so.
    fn note(&mut self, index: usize, end: End, took: Duration, out: &mut impl Write) -> Result<()> {
        let name = self.steps[index].name;
        say(out, &format!("=== {}", outcome(name, name.len(), &end, took)))?;
        self.ended[index] = Some((end, took));
        Ok(())
    }

    /// Whether some step failed.
    fn has_failed(&self) -> bool {
        self.ended.iter().flatten().any(|(end, _)| matches!(end, End::Failed(_)))
    }
}

/// Runs one step to its end.
fn execute(action: &Action, root: &Path, out: &mut impl Write) -> Result<End> {
    match action {
        Action::Skip(why) => Ok(End::Skipped(why.clone())),
        Action::Fail(why) => Ok(End::Failed(why.clone())),
        Action::Run(line) | Action::Beside(line) => {
            let failed = |doing: &'static str| {
                move |error| Error::failed(format!("failed to {doing} {line}: {error}"))
            };
            line.clear_reports().map_err(failed("make a folder for the reports of"))?;
            let status = line.command(root).and_then(|mut command| command.status());
            let status = status.map_err(|error| line.not_started(&error))?;
            let reports = line.read_reports().map_err(failed("read the reports of"))?;
            for (path, text) in &reports {
                say(out, &format!("{}:\n{text}", path.display()))?;
            }
            Ok(match reports.len() {
                0 if status.success() => End::Ok,
                0 => End::Failed(status.to_string()),
                count => End::Failed(format!("{status}, processes with reports: {count}")),
            })
        }
    }
}

/// One line on how a step ended, whose name is this wide.
fn outcome(name: &str, width: usize, end: &End, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match end {
        End::Ok => format!("{name:width$} ok       {seconds:7.1} s"),
        End::Skipped(why) => format!("{name:width$} skipped  {why}"),
        End::Failed(how) => format!("{name:width$} FAILED   {seconds:7.1} s, {how}"),
    }
}

/// How all of them ended, and which were not begun.
fn summary(steps: &[Step], ended: &[Ended], took: Duration) -> String {
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
    let mut lines = vec!["\nsummary:".to_owned()];
    for (step, ended) in steps.iter().zip(ended) {
        let beside = if matches!(step.action, Action::Beside(_)) { ", beside others" } else { "" };
        lines.push(match ended {
            Some((end, took)) => format!("  {}{beside}", outcome(step.name, width, end, *took)),
            None => format!("  {:width$} not run", step.name),
        });
    }
    let failed = |(_, ended): &(_, &Ended)| matches!(ended, Some((End::Failed(_), _)));
    let failed = steps.iter().zip(ended).filter(failed).map(|(Step { name, action, .. }, _)| {
        action
            .line()
            .map_or(format!("{name} failed"), |line| format!("{name} failed; by itself: {line}"))
    });
    let mut verdicts: Vec<_> = failed.collect();
    if verdicts.is_empty() {
        verdicts.push("all steps passed".into());
    }
    lines.push(format!("{} ({:.0} s)", verdicts.join("\n"), took.as_secs_f64()));
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
    fn a_report_is_a_failure_whatever_the_command_says_and_an_old_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let reports = root.path().join("target").join("reports");
        let writes = CommandLine::cargo(["init", "--vcs", "none", "--name", "report", "--lib"])
            .args([reports.to_string_lossy()])
            .reports(reports.clone());
        let (exit, said) = ran(&[step("writes", Action::Run(writes))]);
        assert_eq!(exit, Exit::Failed, "{said}");
        assert!(said.contains("exit status: 0, processes with reports: 1"), "{said}");
        assert!(said.contains("Cargo.toml:\n[package]"), "{said}");
        let silent = CommandLine::cargo(["--version"]).reports(reports);
        let (exit, said) = ran(&[step("silent", Action::Run(silent))]);
        assert_eq!(exit, Exit::Ok, "{said}");
    }

    #[test]
    fn the_summary_names_what_failed_and_what_was_not_run() {
        let steps = ["one", "two", "three"].map(|name| cargo_says(name, "x"));
        let failed = End::Failed("it fell".into());
        let ended = [Some((End::Ok, Duration::from_secs(2))), Some((failed, Duration::ZERO)), None];
        let summary = summary(&steps, &ended, Duration::from_secs(3));
        assert!(summary.contains("one   ok           2.0 s"), "{summary}");
        assert!(summary.contains("two   FAILED") && summary.contains("it fell"), "{summary}");
        assert!(summary.contains("three not run"), "{summary}");
        assert!(summary.ends_with("two failed; by itself: cargo x (3 s)"), "{summary}");
    }

    /// A step that runs beside others, and whose command ends in this way.
    fn beside(name: &'static str, argument: &str) -> Step {
        step(name, Action::Beside(CommandLine::cargo([argument])))
    }

    #[test]
    fn what_runs_beside_others_is_shown_when_it_has_ended_and_counts() {
        let next = || cargo_says("next", "--version");
        let (exit, said) = ran(&[beside("slow", "--version"), next()]);
        assert_eq!(exit, Exit::Ok);
        let place = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
        assert!(place("=== slow goes on") < place("=== 2/2 next"), "{said}");
        assert!(place("=== next ok") < place("slow ran beside the others, and said:\ncargo 1."));
        assert!(said.contains(" s, beside others\n") && said.contains("all steps passed"));
        let (exit, said) = ran(&[beside("slow", "planted"), next()]);
        assert_eq!(exit, Exit::Failed);
        assert!(said.contains("no such command: `planted`"), "its errors are shown: {said}");
        assert!(said.contains("slow failed; by itself: cargo planted ("), "{said}");
        // Both fail: neither hides the other.
        let (_, said) = ran(&[beside("slow", "planted"), cargo_says("next", "planted-too")]);
        assert!(
            said.contains("cargo planted\nnext failed; by itself: cargo planted-too"),
            "{said}"
        );
    }

    #[test]
    fn nothing_runs_beside_what_measures() {
        let measures = step("measures", Action::Run(CommandLine::xtask(["compare"])));
        // What would measure is not begun: what ran beside the steps before it has failed.
        let (exit, said) =
            ran(&[beside("slow", "planted"), cargo_says("next", "--version"), measures.clone()]);
        assert_eq!(exit, Exit::Failed);
        assert!(said.contains("measures not run") && !said.contains("3/3"), "{said}");
        let (_, said) = ran(&[beside("slow", "planted"), measures]);
        assert!(!said.contains("goes on") && !said.contains("2/2"), "there is no company: {said}");
        let tidy = Action::Run(CommandLine::xtask(["tidy"]));
        assert!(!tidy.measures() && !Action::Run(CommandLine::cargo(["bench"])).measures());
    }
}
