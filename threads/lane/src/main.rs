//! Lane host of `threads`; it also offers the lane without concurrency.

use std::process::ExitCode;

use common::{host, seq::Sequential};

fn main() -> ExitCode {
    host::main("threads-lane", &[&Sequential])
}
