#![doc = include_str!("../README.md")]

mod armed;
mod blocking;
mod builder;
mod cancel;
mod chunks;
mod class;
mod classes;
mod contain;
pub mod cores;
mod current;
mod deferred;
mod driver;
mod embed;
mod engine;
mod handle;
mod inherit;
mod mailbox;
mod name;
pub mod net;
pub mod process;
pub mod protocol;
mod reactor;
pub mod record;
mod remote;
pub mod signal;
mod sources;
pub mod stdio;
pub mod sync;
mod task;
mod tasks;
mod time;
mod timers;
mod turn;
mod waker;

pub use blocking::{Blocking, blocking};
pub use builder::{Builder, MAX_BLOCKING_THREADS};
pub use cancel::{CancelToken, Cancelled, WaitForCancel};
pub use class::{Class, ClassSpec, MAX_CLASSES, Order};
pub use classes::ClassStats;
pub use deferred::{Deferred, Promise, deferred};
pub use embed::Turn;
pub use handle::{Closed, Handle, RemoteTask};
pub use reactor::{NotRunning, Reactor, Stats, block_on, handle, stats, stop};
pub use task::{
    Cooperate, JoinError, Panic, Shield, Soon, Spawn, Task, TaskGroup, YieldIfNeeded, YieldNow,
    call_soon, cooperate, join_all, race, set_deadline, shield, spawn, spawn_with, yield_if_needed,
    yield_now,
};
pub use time::{
    Elapsed, Interval, MissedTick, Sleep, Timeout, Timer, advance, call_at, call_later, interval,
    interval_at, now, seconds, sleep, sleep_until, timeout, timeout_at,
};
