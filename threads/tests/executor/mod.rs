//! The tests of the executor that `threads` and `processes` share: one source, two crates.
//!
//! Each crate includes this folder from its `tests/it/executor.rs`, a *prelude* with what has no
//! common name: `model` is the crate, `failing` and `marking` set an initializer, which takes a
//! closure in `threads`, and a function with its argument in `processes`. Everything else is the
//! crate's public API as it is.
//!
//! So what a pool is given here captures nothing, and its argument can be sent: an
//! [`Event`](crate::executor::model::Event) in place of a channel, a
//! [`Lock`](crate::executor::model::Lock) in place of a counter.

mod broken;
mod callbacks;
mod drop;
mod handle;
mod map;
mod panic;
mod resize;
mod shutdown;
mod smoke;
mod stress;
pub(crate) mod support;
mod wait;
mod wakeup;
