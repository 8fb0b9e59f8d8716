//! The model crates beside each other: the same programs, the same answers; and each of them alone.

mod alone;
mod built;
mod programs;
mod site;
mod swap;
