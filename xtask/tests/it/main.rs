//! The `xtask` program as a user meets it.

mod doctor;
mod explain;
mod program;
mod usage;
