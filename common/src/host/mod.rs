//! The program a lane runs in.
//!
//! `main` of a lane host is one call of [`main`]. Started with `--serve` by the harness it speaks
//! the [lane protocol](crate::protocol); started by hand it runs workloads and prints verified
//! results.

mod by_hand;
mod census;
mod channel;
mod serve;

use std::process::ExitCode;

use crate::lane::Lane;

/// Runs a lane host that offers `lanes`, under the name `host`.
///
/// Call it first in `main`, before any thread exists: with `--serve` it moves standard output away.
pub fn main(host: &str, lanes: &[&dyn Lane]) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "--serve") {
        return serve::serve(host, lanes);
    }
    by_hand::main(host, lanes)
}
