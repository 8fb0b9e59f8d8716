//! Integration tests, one module per theme. The three models share the module names.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod callbacks;
mod cancel;
mod cores;
mod drop;
mod embed;
mod examples;
mod faults;
mod handle;
mod leaks;
mod load;
mod lock;
mod net;
mod panic;
mod priority;
mod process;
mod protocol;
mod queue;
mod record;
mod send_sync;
mod shutdown;
mod signal;
mod smoke;
mod spawn;
mod stdio;
mod stress;
mod support;
mod time;
mod wakeup;
