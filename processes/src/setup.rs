//! How a single process is to be started.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::confines::Confines;
use crate::exit::Exit;

/// A change of the environment.
#[derive(Debug)]
pub(crate) enum EnvChange {
    /// A variable gets a value.
    Set(OsString, OsString),
    /// A variable is left out.
    Remove(OsString),
    /// Everything is left out that was there so far.
    Clear,
}

/// How a single process is to be started; by default as a worker of a pool.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// What its `argv[0]` says.
    pub(crate) name: Option<String>,
    /// In the order in which they are made.
    pub(crate) env: Vec<EnvChange>,
    /// Where it runs, if not where this process does.
    pub(crate) cwd: Option<PathBuf>,
    /// Where its output goes, if not where that of this process does.
    pub(crate) stdout: Option<Stdio>,
    /// Where its reports go, likewise.
    pub(crate) stderr: Option<Stdio>,
    /// What it does to itself.
    pub(crate) confines: Confines,
    /// Where its start and its end are noted, if it has a handle of its own.
    pub(crate) exit: Option<Arc<Exit>>,
}

impl Setup {
    /// Says what can be known beforehand to be impossible: the error of a start that fails does
    /// not name what is at fault.
    ///
    /// # Errors
    /// `InvalidInput`, or what the system says about the folder.
    pub(crate) fn check(&self) -> io::Result<()> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if let Some(name) = self.name.as_ref().filter(|name| name.contains('\0')) {
            return invalid(format!("name a process {name:?}: leave out the NUL byte"));
        }
        for change in &self.env {
            let (EnvChange::Set(key, _) | EnvChange::Remove(key)) = change else { continue };
            let bytes = key.as_encoded_bytes();
            if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
                return invalid(format!(
                    "an environment variable `{}`: a name is not empty and has no `=` and no NUL",
                    key.display()
                ));
            }
        }
        if let Some(cwd) = &self.cwd {
            let at = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("run in the folder {}: {error}", cwd.display()),
                )
            };
            if !cwd.metadata().map_err(at)?.is_dir() {
                return Err(at(io::ErrorKind::NotADirectory.into()));
            }
        }
        self.confines.check()
    }

    /// Has a command start it so.
    pub(crate) fn configure(&mut self, command: &mut Command) {
        for change in self.env.drain(..) {
            match change {
                EnvChange::Set(key, value) => command.env(key, value),
                EnvChange::Remove(key) => command.env_remove(key),
                EnvChange::Clear => command.env_clear(),
            };
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        if let Some(stdout) = self.stdout.take() {
            command.stdout(stdout);
        }
        if let Some(stderr) = self.stderr.take() {
            command.stderr(stderr);
        }
    }

    /// Notes that it was started.
    ///
    /// # Errors
    /// No descriptor is left for the handle.
    pub(crate) fn started(&self, child: &mut Child, pidfd: &OwnedFd) -> io::Result<()> {
        if let Some(exit) = &self.exit {
            let pidfd = pidfd.try_clone()?;
            exit.started(child.id(), pidfd, child.stdout.take(), child.stderr.take());
        }
        Ok(())
    }
}
