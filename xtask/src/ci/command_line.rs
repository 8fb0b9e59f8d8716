//! A command line: what one would type, and what runs.

use std::{
    env,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{error::Error, workspace::Workspace};

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
    /// Where all processes that it starts write what they find, if they do.
    reports: Option<PathBuf>,
}

impl CommandLine {
    /// Cargo with these arguments.
    pub(crate) fn cargo<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let (program, none, variables) = (Program::Cargo, Vec::new(), Vec::new());
        Self { program, arguments: none, variables, reports: None }.args(arguments)
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

    /// Whether it is a command of this program that measures: nothing may run beside it.
    pub(super) fn measures(&self) -> bool {
        self.program == Program::Xtask && self.arguments.first().is_some_and(|name| name != "tidy")
    }

    /// With a target folder of its own inside of the usual one; without a name, the usual one.
    pub(crate) fn target_folder(self, workspace: &Workspace, name: &str) -> Self {
        let folder = workspace.target.join(name);
        let folder = folder.strip_prefix(&workspace.root).unwrap_or(&folder);
        self.args(["--target-dir", &folder.to_string_lossy()])
    }

    /// That it could not be started.
    pub(super) fn not_started(&self, error: &io::Error) -> Error {
        Error::failed(format!("failed to start {self}: {error}"))
    }

    /// It succeeds only if no process has written a file into this folder. Not for what runs beside
    /// others.
    pub(crate) fn reports(self, folder: PathBuf) -> Self {
        Self { reports: Some(folder), ..self }
    }

    /// Makes the folder of reports anew, so that those of an earlier run are gone.
    pub(super) fn clear_reports(&self) -> io::Result<()> {
        let Some(folder) = &self.reports else { return Ok(()) };
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => fs::create_dir_all(folder),
        }
    }

    /// What was written into the folder of reports, each with the file that it is in.
    pub(super) fn read_reports(&self) -> io::Result<Vec<(PathBuf, String)>> {
        let Some(folder) = &self.reports else { return Ok(Vec::new()) };
        let mut files = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?;
        files.retain(|path| path.is_file());
        files.sort();
        let read = |path: PathBuf| {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            Ok((path, text))
        };
        files.into_iter().map(read).collect()
    }

    /// What starts it in this folder.
    pub(super) fn command(&self, root: &Path) -> io::Result<Command> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_displays_as_typed() {
        let line = CommandLine::cargo(["bench", "--bench", "*"]).env("RUSTFLAGS", "--cfg loom");
        assert_eq!(line.to_string(), "RUSTFLAGS=\"--cfg loom\" cargo bench --bench '*'");
        assert_eq!(CommandLine::xtask(["tidy"]).to_string(), "cargo xtask tidy");
    }

    #[test]
    fn variables_reach_the_command() {
        let line = CommandLine::cargo(["x"]).env("RUSTFLAGS", "--cfg loom");
        let command = line.command(Path::new(".")).unwrap();
        let variables: Vec<_> = command.get_envs().collect();
        assert!(variables.contains(&("RUSTFLAGS".as_ref(), Some("--cfg loom".as_ref()))));
        assert!(variables.contains(&("CARGO_ENCODED_RUSTFLAGS".as_ref(), None)));
    }
}
