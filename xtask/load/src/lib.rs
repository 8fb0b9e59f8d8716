//! The upstream stub that workloads talk to, in a process of its own.
//!
//! It serves a [`Site`](common::site::Site) over HTTP/1.1 from one thread: each answer comes when
//! the site says so, and no earlier, however many requests wait at once. It enforces politeness: a
//! virtual host with too many requests in flight refuses the next one with 429 and counts it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /p/<page>`, `Host: h<k>.test`, `X-Attempt: <n>` | after the latency of the page: 200 or 503 |
//! | the same, too many of this host in flight | at once: 429 |
//! | the same, another host than the page's | at once: 421 |
//! | `GET /stats` | at once: [`SiteStats`](common::site::SiteStats) as JSON |
//! | `POST /reset` | at once: 204, counters cleared |
//! | another path, another method | at once: 404, 405 |
//! | not a request, too large a request | at once: 400, 413, 417, 431, 501 or 505, then the end |
//!
//! A connection answers one request after the other; pipelined requests wait their turn and are not
//! in flight before it. What is **not** done: an idle connection is never closed by a time limit,
//! since the server dies with its parent and a limit would be a fault that the measured program
//! did not earn. There is no `Date` header: an answer depends on the request and the site alone.

mod alarm;
mod arrivals;
mod background;
mod connection;
mod lifeline;
mod politeness;
mod report;
mod request;
mod response;
mod server;
mod service;
mod timers;

pub use self::{
    background::{Running, serve_in_background},
    server::serve_until_stdin_ends,
};
