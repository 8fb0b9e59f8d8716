//! Upstream stub.

fn main() {}
