//! How failures are told.

use std::io::{self, Write as _};

/// An error that says what failed.
pub(crate) fn failed(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Writes a line about a failure that the server survives to standard error.
///
/// Unlike `eprintln!` it does not panic if standard error is gone: there is nobody to tell then, and
/// requests are still to be answered.
pub(crate) fn report(what: &str) {
    writeln!(io::stderr(), "load: failed to {what}").ok();
}
