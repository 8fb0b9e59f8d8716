//! How a child is to be started.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use super::Child;

/// A program to be started, with its arguments, environment and descriptors.
///
/// The methods are those of [`std::process::Command`]; what is not here can be set through
/// [`as_std_mut`](Self::as_std_mut).
#[derive(Debug)]
pub struct Command {
    std: std::process::Command,
    /// What is not to be replaced by what [`output`](Self::output) takes instead.
    chosen: Chosen,
    /// See [`Command::kill_on_drop`].
    kill_on_drop: bool,
}

/// Which descriptors were given by the methods of a command.
#[derive(Clone, Copy, Debug, Default)]
struct Chosen {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// Starts `program` without arguments, with the environment, folder and descriptors of this process.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from(std::process::Command::new(program))
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> &mut Self {
        self.std.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(name, value);
        self
    }

    /// Takes a variable out of the environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(name);
        self
    }

    /// Begins with an empty environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// The folder in which it runs.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(folder);
        self
    }

    /// Standard input. Default: this process's own; that of [`output`](Self::output): nothing.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Self {
        self.std.stdin(from);
        self.chosen.stdin = true;
        self
    }

    /// Standard output. Default: this process's own; that of [`output`](Self::output): a pipe.
    pub fn stdout(&mut self, to: impl Into<Stdio>) -> &mut Self {
        self.std.stdout(to);
        self.chosen.stdout = true;
        self
    }

    /// Standard error. Default: this process's own; that of [`output`](Self::output): a pipe.
    pub fn stderr(&mut self, to: impl Into<Stdio>) -> &mut Self {
        self.std.stderr(to);
        self.chosen.stderr = true;
        self
    }

    /// Kills the process when its [`Child`] is dropped before it was waited for. Default: no.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// The standard library's command, for what has no method here.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// Starts the program. This waits until the kernel has the program in place, about a millisecond,
    /// in which the loop stands still.
    ///
    /// # Errors
    ///
    /// When there is no such program or it may not be executed, and when there are no processes or
    /// descriptors left. When somebody else has waited for it already, see [`Child::wait`].
    /// `Unsupported` on systems other than Linux.
    pub fn spawn(&mut self) -> io::Result<Child> {
        super::pidfd::check_support()?;
        Child::of(self.std.spawn()?, self.kill_on_drop)
    }

    /// Starts the program and waits for its end.
    ///
    /// If the future is dropped, the process goes on, see [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Starts the program, collects what it writes and waits for its end. All of it is kept in memory.
    ///
    /// Descriptors that were given by [`stdin`](Self::stdin), [`stdout`](Self::stdout) and
    /// [`stderr`](Self::stderr) are used; what was set in a [`std::process::Command`] is not known here, and
    /// replaced.
    ///
    /// If the future is dropped, the process goes on, see [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn output(&mut self) -> io::Result<Output> {
        let Chosen { stdin, stdout, stderr } = self.chosen;
        let set = |std: &mut std::process::Command, none: fn() -> Stdio, pipe: fn() -> Stdio| {
            (!stdin).then(|| std.stdin(none()));
            (!stdout).then(|| std.stdout(pipe()));
            (!stderr).then(|| std.stderr(pipe()));
        };
        set(&mut self.std, Stdio::null, Stdio::piped);
        let child = self.spawn();
        // As it was, for whoever starts it again.
        set(&mut self.std, Stdio::inherit, Stdio::inherit);
        child?.wait_with_output().await
    }
}

impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Self {
        Self { std, chosen: Chosen::default(), kill_on_drop: false }
    }
}
