//! `cargo xtask compare`: which model fits which job, measured; and the project's automation.
//!
//! - [`compare`]: plan, execute, judge, report.
//! - [`mod@bench`]: the models against their peers, and the goals that they are held to.
//! - [`list`], [`explain`], [`doctor`]: what there is, what it means, and whether this machine is fit
//!   to measure it.
//! - [`host`]: lane hosts and the upstream stub as child processes; this crate links no model.
//! - [`nearest`]: the name that was probably meant.
//! - [`measure`]: processor time, memory and noise, seen from outside.
//! - [`stats`]: pairs, intervals, verdicts.
//! - [`ci`], [`tidy`], [`verify`]: what must hold before a change is merged, and what takes longer.

pub mod bench;
pub mod ci;
pub mod cli;
pub mod compare;
pub mod doctor;
pub mod error;
pub mod exit;
pub mod explain;
pub mod host;
pub mod interrupt;
pub mod list;
pub mod measure;
pub mod nearest;
mod rounds;
mod splice;
pub mod stats;
pub mod tidy;
pub mod verify;
pub mod workspace;
