//! Lane host of `threads`: the pool, the same pool under another name as a control, threads under
//! one lock, and, as the denominator of them all, no concurrency.

mod fork;
mod gil;
mod pool;
mod transfer;
mod waits;

use std::process::ExitCode;

use common::{body::run_blocking, host, seq::Sequential};

use crate::pool::PoolLane;

fn main() -> ExitCode {
    let threads = PoolLane {
        name: "threads",
        what: "threads::Pool, one worker a core; a thread for each wait",
        run: |job, index| run_blocking(job, index).map_err(|error| error.to_string()),
        most_waits: u64::MAX,
        locked: false,
    };
    let control = PoolLane { name: "aa", what: "threads again, as a control", ..threads };
    let locked = PoolLane {
        name: "gil",
        what: "threads under one lock that is given up to wait and after 5 ms",
        run: gil::run,
        most_waits: 1_000,
        locked: true,
    };
    host::main("threads-lane", &[&threads, &locked, &control, &Sequential])
}
