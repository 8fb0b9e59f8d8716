//! What can go wrong in a command.

use std::{fmt, io, path::Path};

use crate::exit::Exit;

/// A failure with the exit code that goes with it.
#[derive(Debug)]
pub struct Error {
    /// What went wrong, as a sentence without a final dot.
    pub message: String,
    /// How the command ends.
    pub exit: Exit,
}

/// What commands return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The command was called wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }

    /// Something failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Failed }
    }

    /// The user interrupted.
    pub fn interrupted() -> Self {
        Self { message: "interrupted".into(), exit: Exit::Interrupted }
    }

    /// Turns an I/O error into one that says what was being done, and to which path.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::failed(format!("failed to {doing} {}: {error}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
