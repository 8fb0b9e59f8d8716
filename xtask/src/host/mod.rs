//! Lane hosts: built, found by asking, started afresh for each execution, and ended whatever they
//! do.

mod build;
mod client;
mod directory;
mod python;
mod stub;
mod tail;

pub use build::{Built, build};
pub use client::{Client, HostError};
pub use directory::{Directory, HostEntry, Program};
pub use stub::Stub;

pub(crate) use python::find as find_python;
