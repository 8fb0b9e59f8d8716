//! `cargo xtask compare` and the project's automation.

pub mod measure;
pub mod stats;
