//! The atomics and the parking calls of the sleep protocol: those of std, or
//! their models when `tests/loom` explores the interleavings.

#[cfg(loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicIsize, AtomicU64, fence},
    thread::{Thread, current, park},
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicIsize, AtomicU64, fence},
    thread::{Thread, current, park},
};
