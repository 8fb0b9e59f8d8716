//! Finds a Python to run the Python lanes with.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::workspace::Workspace;

use super::directory::Program;

/// When it is set, this Python is used, or, when that does not work, none.
const CHOICE: &str = "TRIPTYCH_PYTHON";

/// Names under which Python is looked for otherwise, best first.
const NAMES: [&str; 8] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3.8",
];

/// The program that prints whether a Python is new enough.
const CHECK: &str = "import sys; sys.exit(0 if sys.version_info >= (3, 8) else 1)";

/// The Python lane host.
///
/// # Errors
/// Why there is none, in a line that says what to do.
pub(crate) fn find(workspace: &Workspace) -> Result<Program, String> {
    let script = workspace.root.join("xtask/peers/python/lane_host.py");
    if !script.is_file() {
        return Err(format!("{} is missing", script.display()));
    }
    let names = match env::var_os(CHOICE) {
        Some(chosen) => vec![PathBuf::from(chosen)],
        None => NAMES.map(PathBuf::from).into(),
    };
    let python = names.iter().find(|name| works(name)).cloned();
    let python = python.ok_or_else(|| match env::var(CHOICE) {
        Ok(chosen) => format!("{CHOICE} is {chosen:?}, which is no Python of version 3.8 or newer"),
        Err(_) => format!("not found: python3 (3.8 or newer; set {CHOICE} to its path)"),
    })?;
    Ok(Program { path: python, arguments: vec![script.into()], variables: Vec::new() })
}

/// Whether this is a Python that is new enough.
fn works(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", CHECK]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
