//! Integration tests, one module for each theme; the three models share the modules' names.
//!
//! Tests that count processes or descriptors run inside of a spawned process, where nothing else
//! is going on.

#![expect(clippy::unwrap_used, reason = "these are tests, though clippy sees only their modules")]

mod actor;
mod broken;
mod callbacks;
mod channel;
#[cfg(feature = "distributed")]
mod distributed;
mod drop;
mod examples;
mod executor;
mod faults;
mod handle;
#[cfg(feature = "interrupt")]
mod interrupt;
mod ipc_channel;
mod leaks;
mod lock;
mod map;
mod nested;
mod panic;
mod payload;
mod python;
mod queue;
mod resize;
mod retry;
mod select;
mod send_sync;
mod shared;
mod shutdown;
mod smoke;
mod spawn;
mod stress;
mod support;
mod wait;
mod wakeup;
