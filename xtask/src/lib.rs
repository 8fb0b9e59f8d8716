//! `cargo xtask compare` and the project's automation.

pub mod stats;
