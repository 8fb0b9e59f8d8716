//! Lane host of `evented`: one loop, one loop with a pool of threads beside it, and a loop per
//! core.

mod family;
mod io;
mod offload;
mod one;
mod per_core;
mod transfer;

use std::process::ExitCode;

use common::host;

fn main() -> ExitCode {
    host::main("evented-lane", &[&one::OneLoop, &offload::Offload, &per_core::PerCore])
}
