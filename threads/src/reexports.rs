//! What goes with this crate's primitives, and others have made already: re-exported so that
//! it is found.
//!
//! - [`RwLock`]: many readers or one writer; [`OnceLock`] and [`LazyLock`]: a value that is
//!   made once; [`Once`]: something that is done once. (std)
//! - [`scope`]: threads that borrow from their caller, and end before it goes on. (std)
//! - [`channel`]: channels that end when their last sender is dropped, and `select!` to wait
//!   for several of them. (crossbeam-channel)

pub use crossbeam_channel as channel;
pub use std::sync::{LazyLock, Once, OnceLock, RwLock};
pub use std::thread::scope;
