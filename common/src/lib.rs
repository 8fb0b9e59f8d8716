//! The work that every lane runs: inputs, workloads, reference answers and the lane protocol.

pub mod rng;
pub mod site;
