//! Runs the program.

use std::process::{Command, Stdio};

/// What it said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `xtask` with these arguments, in a terminal that is not one, in a locale without UTF-8.
pub(crate) fn xtask(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .expect("the program was built");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}
