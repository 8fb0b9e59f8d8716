//! Lane host of `threads`.

fn main() {}
