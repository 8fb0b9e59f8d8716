//! The work that every lane runs: inputs, workloads, reference answers and the lane protocol.
//!
//! This crate starts no thread, no process and no reactor: lanes do. It knows
//!
//! - *workloads* ([`workload`]): named, verified pieces of work, the same for all lanes, as data;
//! - *jobs* ([`Job`], [`body`]): what a task does, written once as an `async fn` over [`Io`];
//! - *lanes* ([`lane`]): a model, or a peer, set up to run workloads, and the sequential one
//!   ([`seq`]);
//! - *lane hosts* ([`host`], [`protocol`]): the programs lanes run in, and how the harness talks to
//!   them.

pub mod blocking;
pub mod body;
pub mod calibrate;
mod digest;
mod frontier;
mod grid;
pub mod host;
pub mod input;
mod io;
mod job;
pub mod lane;
pub mod leftovers;
mod output;
pub mod payload;
pub mod protocol;
pub mod rng;
pub mod seq;
pub mod site;
mod tally;
mod tree;
pub mod workload;

pub use blocking::{BlockingIo, drive};
pub use digest::Digest;
pub use frontier::Frontier;
pub use grid::{Before, Grid};
pub use io::Io;
pub use job::{
    AccessLog, Body, Crawl, Dummy, Fault, FaultKind, Fork, Handover, Job, LogAnswer, Nature,
    Payload, Spin, Spread, Stencil, TreeHash, Wait, Wavefront,
};
pub use lane::Outcome;
pub use output::Output;
pub use payload::Parcel;
pub use tally::Tally;
pub use tree::{Fold, Node, Parts, Tree, Visit};
