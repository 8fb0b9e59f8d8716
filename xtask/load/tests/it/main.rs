//! The server over real sockets of 127.0.0.1.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail where they are, like tests")]

mod background;
mod client;
mod crawl;
mod framing;
mod pages;
mod peers;
mod politeness;
mod program;
mod site;
