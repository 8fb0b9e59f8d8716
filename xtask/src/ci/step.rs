//! Runs command lines one after the other and says how each went.

use std::{
    env,
    ffi::OsString,
    fmt,
    io::{self, Write, stdout},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    exit::Exit,
    workspace::Workspace,
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

impl Action {
    /// With a variable of the environment, if it runs a command.
    pub(crate) fn env(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Run(line) => Self::Run(line.env(name, value)),
            other => other,
        }
    }
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

/// Which program a command line starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// The Cargo that runs this program.
    Cargo,
    /// This program.
    Xtask,
}

/// A command line; it displays as one would type it.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    /// What it starts.
    program: Program,
    /// What it gets.
    arguments: Vec<String>,
    /// Variables of the environment that it sets.
    variables: Vec<(&'static str, String)>,
}

impl CommandLine {
    /// Cargo with these arguments.
    pub(crate) fn cargo<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self { program: Program::Cargo, arguments: Vec::new(), variables: Vec::new() }
            .args(arguments)
    }

    /// Another command of this program.
    pub(crate) fn xtask<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self { program: Program::Xtask, ..Self::cargo(arguments) }
    }

    /// With more arguments.
    pub(crate) fn args<A: Into<String>>(mut self, more: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// With a variable of the environment.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// With a target folder of its own inside of the usual one.
    pub(crate) fn target_folder(self, workspace: &Workspace, name: &str) -> Self {
        let folder = workspace.target.join(name);
        let folder = folder.strip_prefix(&workspace.root).unwrap_or(&folder);
        self.args(["--target-dir", &folder.to_string_lossy()])
    }

    /// What starts it in this folder.
    fn command(&self, root: &Path) -> io::Result<Command> {
        let mut command = match self.program {
            Program::Cargo => Command::new(cargo()),
            Program::Xtask => Command::new(env::current_exe()?),
        };
        command.args(&self.arguments).current_dir(root).stdin(Stdio::null());
        if self.variables.iter().any(|(name, _)| *name == "RUSTFLAGS") {
            // It would win.
            command.env_remove("CARGO_ENCODED_RUSTFLAGS");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            let quote = if value.contains(' ') { "\"" } else { "" };
            write!(f, "{name}={quote}{value}{quote} ")?;
        }
        f.write_str(match self.program {
            Program::Cargo => "cargo",
            Program::Xtask => "cargo xtask",
        })?;
        for argument in &self.arguments {
            let quote = if argument.contains(['*', ' ']) { "'" } else { "" };
            write!(f, " {quote}{argument}{quote}")?;
        }
        Ok(())
    }
}

/// The Cargo that runs this program, or else the usual one.
pub(super) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
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
    let begin = Instant::now();
    let mut ended = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let title = format!("{}/{} {}: {}", index + 1, steps.len(), step.name, step.about);
        say(&format!("\n=== {title}\n    {}", step.action))?;
        let started = Instant::now();
        let end = execute(&step.action, root)?;
        let took = started.elapsed();
        say(&format!("=== {}", outcome(step.name, &end, took)))?;
        let failed = matches!(end, End::Failed(_));
        ended.push((end, took));
        if failed {
            break;
        }
    }
    say(&summary(steps, &ended, begin.elapsed()))?;
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
        Some((step, _)) => format!("{} failed; by itself: {}", step.name, step.action),
        None => "all steps passed".into(),
    };
    lines.push(format!("{verdict} ({:.0} s)", took.as_secs_f64()));
    lines.join("\n")
}

/// Prints a line at once: what commands print comes between these lines.
fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
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

    #[test]
    fn a_command_line_displays_as_typed() {
        let line = CommandLine::cargo(["bench", "--bench", "*"]).env("RUSTFLAGS", "--cfg loom");
        assert_eq!(line.to_string(), "RUSTFLAGS=\"--cfg loom\" cargo bench --bench '*'");
        assert_eq!(CommandLine::xtask(["tidy"]).to_string(), "cargo xtask tidy");
    }

    #[test]
    fn the_first_failure_ends_it() {
        let root = tempfile::tempdir().unwrap();
        let good = || cargo_says("good", "--version");
        assert_eq!(run(&[good(), good()], root.path()).unwrap(), Exit::Ok);
        let skipped = step("skipped", Action::Skip("it is not there".into()));
        assert_eq!(run(&[skipped, good()], root.path()).unwrap(), Exit::Ok);
        let bad = cargo_says("bad", "--no-such-flag");
        assert_eq!(run(&[good(), bad, good()], root.path()).unwrap(), Exit::Failed);
        let impossible = step("impossible", Action::Fail("it is not there".into()));
        assert_eq!(run(&[impossible], root.path()).unwrap(), Exit::Failed);
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
