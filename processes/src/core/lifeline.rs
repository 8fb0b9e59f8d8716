//! What ends a pool's workers when the parent does.
//!
//! It is a pipe into which nobody writes. The parent alone has the end for writing, each worker one
//! for reading, and has the kernel send SIGKILL to its process group when something happens to that
//! pipe. What happens is that the parent ends and the kernel closes its descriptors. So it needs
//! nothing of the worker: not that it has time, nor that it is not stopped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// The parent's side.
#[derive(Debug)]
pub(super) struct Lifeline {
    /// What workers get. None of them uses this very file: whom the kernel signals is a property of
    /// the file, so each opens it anew.
    reading: OwnedFd,
    /// Closed by the end of this process, or by the end of the pool, when no worker is left.
    _writing: OwnedFd,
}

impl Lifeline {
    /// A new one.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new() -> io::Result<Self> {
        // Nobody else inherits it: what lives on with the end for writing keeps workers alive.
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Self { reading, _writing: writing })
    }

    /// What a worker is sent.
    pub(super) fn end_for_worker(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
    }
}
