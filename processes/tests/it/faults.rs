//! What the crate exists for: a call that takes its process down fails alone.
//!
//! What is promised for each fault, and where that is tested; every wait is bounded:
//!
//! | fault | tests |
//! |---|---|
//! | worker killed in a call | [`crashes`], `retry`, `stress`, and in the crate `chaos`, `fault` |
//! | idle worker killed | [`crashes`] |
//! | hang | [`hangs`], `handle` |
//! | worker stopped | [`hangs`]; before the call: `handle` |
//! | panic | `panic`, `executor` |
//! | panic with `panic = "abort"`, abort, segfault, stack overflow, exit | [`crashes`] |
//! | argument or result cannot be encoded or decoded | [`codec`] |
//! | huge payload | `payload` |
//! | initializer fails, panics, ends the process, hangs | `broken` |
//! | poison call, crash loop | `retry`, `broken` |
//! | parent killed | [`surroundings`]; with their children, and at any time: `chaos` |
//! | Ctrl-C | `interrupt` |
//! | descriptors exhausted, here or in a worker | [`descriptors`] |
//! | memory exhausted | [`memory`] |
//! | shutdown | [`hangs`], `shutdown`, `leaks` |

mod codec;
mod crashes;
mod descriptors;
mod hangs;
mod memory;
mod surroundings;
pub(crate) mod system;

use processes::{JoinError, JoinHandle};
use serde::de::DeserializeOwned;

use crate::support::BOUND;

/// The outcome, which must come.
#[track_caller]
pub(crate) fn ended<R: DeserializeOwned>(call: JoinHandle<R>) -> Result<R, JoinError> {
    call.join_timeout(BOUND).expect("each call resolves")
}
