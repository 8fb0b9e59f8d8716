//! What a worker writes to its standard error, when the pool keeps the end of it.
//!
//! The supervisor reads it from a pipe, keeps the last bytes, and passes everything on to the
//! standard error of this process, as if it had been inherited. It must not block there: what that
//! has no room for at this moment is not passed on. And it has nothing locked meanwhile, nor waits for a
//! thread that has locked the standard error, which may be about to ask the pool for something.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ChildStderr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// Read at a time, and passed on at a time: a pipe that is ready takes as much without blocking.
const STEP_BYTES: usize = 4096;

/// Steps at a time, so that a worker that writes without end does not occupy the supervisor.
const STEPS: usize = 64;

/// The end of what a worker has written.
#[derive(Debug)]
pub(super) struct Tail {
    /// What it writes comes out here.
    pipe: ChildStderr,
    /// The last bytes.
    kept: VecDeque<u8>,
    /// How many are kept.
    limit: usize,
}

impl Tail {
    /// Of a worker that was just started.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn new(pipe: ChildStderr, limit: usize) -> io::Result<Self> {
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self { pipe, kept: VecDeque::new(), limit })
    }

    /// Reads what is there, which is appended to `read`. False when there will be no more.
    pub(super) fn read(&mut self, read: &mut Vec<u8>) -> bool {
        let mut bytes = [0_u8; STEP_BYTES];
        for _ in 0..STEPS {
            match self.pipe.read(&mut bytes) {
                Ok(0) => return false,
                Ok(count) => {
                    self.keep(&bytes[..count]);
                    read.extend_from_slice(&bytes[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Adds bytes, and drops the oldest ones.
    fn keep(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let excess = (self.kept.len() + bytes.len()).saturating_sub(self.limit);
        self.kept.drain(..excess);
        self.kept.extend(bytes);
    }

    /// What was kept, as text.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl AsFd for Tail {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Writes to this process's standard error, as far as it has room now. To be called without a lock.
///
/// It goes to the descriptor and not through `std`: a thread that has `std`'s standard error locked may
/// be waiting for what the supervisor is about to do. Nothing is buffered there that would come later.
pub(super) fn pass_on(bytes: &[u8]) {
    let stderr = io::stderr();
    let mut left = bytes;
    while !left.is_empty() && has_room(&stderr) {
        match rustix::io::write(&stderr, &left[..left.len().min(STEP_BYTES)]) {
            Ok(count) if count > 0 => left = &left[count..],
            Err(Errno::INTR) => {}
            // Nobody may be reading; there is nobody to tell either.
            Ok(_) | Err(_) => return,
        }
    }
}

/// Whether a step can be written without blocking.
fn has_room(stderr: &io::Stderr) -> bool {
    let mut ready = [PollFd::new(stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let room = poll(&mut ready, Some(&now)).is_ok_and(|count| count > 0);
    room && ready[0].revents().contains(PollFlags::OUT)
}
