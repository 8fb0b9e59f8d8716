//! Lane host of `processes`.

fn main() {}
