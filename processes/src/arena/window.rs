//! A worker's view of the arena of its pool.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use crate::segment::{Segment, SegmentId};

use super::{Memory, Steady};

/// The arena of the pool that this process is a worker of, mapped for reading only.
#[derive(Debug)]
pub(crate) struct Window {
    /// The memory.
    memory: Memory,
}

/// This process's; none in a program that is no worker, and where there is no arena.
static WINDOW: OnceLock<Window> = OnceLock::new();

/// This process's window.
pub(crate) fn window() -> Option<&'static Window> {
    WINDOW.get()
}

impl Window {
    /// Maps what the parent has sent.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub(crate) fn open(id: SegmentId, fd: OwnedFd) -> io::Result<()> {
        let segment = Segment::view(id, fd)?;
        let len = segment.len();
        // A worker starts once.
        WINDOW.get_or_init(|| Self { memory: Memory::new(segment, 0, len) });
        Ok(())
    }

    /// The payload that lies there, as a call says that this process has claimed.
    ///
    /// # Errors
    /// It is not inside, as a sentence.
    pub(crate) fn payload(&self, at: u64, len: u64) -> Result<Steady, String> {
        let inside = || {
            let (at, len) = (usize::try_from(at).ok()?, usize::try_from(len).ok()?);
            self.memory.steady(at, len)
        };
        inside().ok_or_else(|| format!("{len} bytes at {at} are outside of the pool's memory"))
    }
}
