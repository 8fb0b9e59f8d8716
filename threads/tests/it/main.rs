//! Tests of the public API, one module per theme.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

/// As if rayon were among the dependencies; see `smoke`.
extern crate core as rayon;

mod blocking;
mod bound;
mod broken;
mod callbacks;
mod cancel;
mod drop;
mod examples;
mod execute;
mod executor;
mod faults;
mod fork;
mod handle;
mod inline;
mod leaks;
mod local;
mod lock;
mod map;
mod panic;
mod priority;
mod queue;
mod resize;
mod send_sync;
mod shutdown;
mod slices;
mod smoke;
mod spawn;
mod stress;
mod support;
mod wait;
mod wakeup;
