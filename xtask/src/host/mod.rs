//! Lane hosts and bench programs: built, found by asking, started afresh for each execution, and ended
//! whatever they do.

mod build;
mod client;
mod directory;
mod once;
mod peers;
mod process;
mod python;
mod stub;
mod tail;

pub use build::{Built, Purpose, build, build_peer, build_peer_hosts};
pub use client::Client;
pub use directory::{Directory, HostEntry, Program};
pub use once::ask_once;
pub use peers::{Need, PeerHost, peer_hosts};
pub use process::HostError;
pub use stub::Stub;

pub(crate) use python::find as find_python;
