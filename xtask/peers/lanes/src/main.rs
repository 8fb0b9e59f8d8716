//! Lane host of other runtimes of Rust: what those would write who use them already. Each module is
//! one lane; `peer` is what they have in common.

mod peer;

mod chili;
mod rayon;
mod std;
mod tokio;

use ::std::process::ExitCode;

use common::{host, lane::Lane};

use self::{chili::Chili, peer::PeerLane, rayon::Rayon, std::Std, tokio::Tokio};

fn main() -> ExitCode {
    host::main("peers-lane", &LANES)
}

/// The lanes; those that `Cargo.toml` announces.
const LANES: [&dyn Lane; 4] = [
    &PeerLane::<Rayon>::NEW,
    &PeerLane::<Chili>::NEW,
    &PeerLane::<Std>::NEW,
    &PeerLane::<Tokio>::NEW,
];

#[cfg(test)]
mod tests;
