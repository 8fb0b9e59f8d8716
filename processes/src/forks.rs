//! The id of this process, without a system call each time.
//!
//! It changes when user code forks: the C library tells the child. From then on that one asks the kernel
//! each time. Nobody tells a child of `_Fork`, or of a system call `clone` or `fork` that user code makes by
//! itself: there the id stays that of the parent, and what is dropped is taken for the parent's.
//!
//! This is one of the crate's few files with unsafe code: it has the C library call it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// True in a child that was forked, and where nobody would tell.
static ASKS: AtomicBool = AtomicBool::new(false);

/// The id of this process.
#[inline]
pub(crate) fn pid() -> u32 {
    static FIRST: OnceLock<u32> = OnceLock::new();
    let first = *FIRST.get_or_init(|| {
        // SAFETY: the handler may run in a child of a process with threads: it stores to an atomic, which
        // lives as long as the program.
        let told = unsafe { libc::pthread_atfork(None, None, Some(forked)) } == 0;
        if !told {
            ASKS.store(true, Ordering::Relaxed);
        }
        std::process::id()
    });
    if ASKS.load(Ordering::Relaxed) { std::process::id() } else { first }
}

/// Called in a child that was forked, before `fork` returns there.
unsafe extern "C" fn forked() {
    ASKS.store(true, Ordering::Relaxed);
}
