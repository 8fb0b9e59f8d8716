//! Tests of the public API, one module per theme.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod drop;
mod examples;
mod faults;
mod handle;
mod leaks;
mod lock;
mod map;
mod panic;
mod queue;
mod send_sync;
mod shutdown;
mod smoke;
mod spawn;
mod stress;
mod support;
mod wakeup;
