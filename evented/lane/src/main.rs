//! Lane host of `evented`.

fn main() {}
