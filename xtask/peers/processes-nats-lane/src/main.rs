//! Lane host of `processes` with many machines: a pool whose calls go through a NATS broker to nodes.
//!
//! Without more, all of that is on this machine: each session has a broker of its own and two nodes, which
//! are this program. With a URL in the variable `TRIPTYCH_CLUSTER` (`cargo xtask compare --cluster URL`)
//! the broker and the nodes are those of that cluster. Its nodes are this program, too, started as
//! `processes-nats-lane node URL`; `processes-nats-lane node --help` has the options.

mod lane;
mod place;
mod session;
mod tasks;
mod transfer;

use std::{env, ffi::OsString, process::ExitCode};

use common::{host, lane::Lane};

use self::lane::NatsLane;

/// The lanes; those that `Cargo.toml` announces.
const LANES: [&dyn Lane; 1] = [&NatsLane];

fn main() -> ExitCode {
    processes::init();
    if let Some(end) = cluster::run(node) {
        return end;
    }
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "node") {
        return ExitCode::from(node(words.collect()));
    }
    host::main("processes-nats-lane", &LANES)
}

/// A node with these arguments.
fn node(arguments: Vec<OsString>) -> u8 {
    processes::node::main_with(arguments)
}

#[cfg(test)]
mod tests;
