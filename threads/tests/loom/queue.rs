//! The queues (the very files of `src/queue`) under loom: no wake-up is lost, and no value is
//! lost or doubled, whichever waits time out.
//!
//! In parts, for the whole has too many interleavings: the protocol of waiting with a store
//! that only counts, and the ring alone.

#[path = "../../src/queue/batch.rs"]
mod batch;
#[path = "../../src/queue/core.rs"]
mod core;
#[path = "../../src/queue/gate.rs"]
mod gate;
#[path = "../../src/queue/primitives.rs"]
#[expect(dead_code, reason = "nobody spins in a model")]
mod primitives;
#[path = "../../src/queue/ring.rs"]
#[expect(dead_code, reason = "the models need a part of it")]
mod ring;
#[path = "../../src/queue/store.rs"]
mod store;
#[path = "../../src/queue/tasks.rs"]
mod tasks;
#[path = "../../src/queue/waiter.rs"]
mod waiter;

mod models;
