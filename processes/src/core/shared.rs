//! The arena that a pool shares with its workers.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::arena::holds::Readers;
use crate::arena::{Arena, Memory, Usage};
use crate::segment::{Segment, SegmentId};

use super::Core;
use super::process::Process;

/// Memory behind free pages of the arena is kept up to this: 32 MiB.
const KEEP_BYTES: usize = 32 << 20;

/// The arena of a pool, and what workers need to see it.
#[derive(Debug)]
pub(super) struct Shared {
    /// The memory.
    segment: Arc<Segment>,
    /// The arena in it.
    arena: Arc<Arena>,
    /// Who may hold buffers in it.
    readers: Arc<Readers>,
}

impl Shared {
    /// An arena of at least so many bytes. None when that is zero, or there are no addresses or
    /// descriptors for one: payloads go other ways then.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let bytes = bytes.checked_next_multiple_of(rustix::param::page_size())?;
        if bytes == 0 {
            return None;
        }
        let segment = Segment::create(bytes).ok()?;
        let arena = Arena::new(Memory::new(Arc::clone(&segment), 0, bytes), KEEP_BYTES);
        Some(Self { segment, arena, readers: Arc::default() })
    }

    /// Its name, and a descriptor for a worker, which cannot write through it. None when there is
    /// no descriptor.
    pub(super) fn for_worker(&self) -> Option<(SegmentId, OwnedFd)> {
        Some((self.segment.id(), self.segment.reading_end().ok()?))
    }
}

impl Core {
    /// The arena, if the pool has one.
    pub(crate) fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref().map(|shared| &shared.arena)
    }

    /// What the arena has given out.
    pub(crate) fn arena_usage(&self) -> Usage {
        self.arena().map(|arena| arena.usage()).unwrap_or_default()
    }

    /// The arena, and who may hold buffers in it.
    pub(crate) fn arena_and_readers(&self) -> Option<(&Arc<Arena>, &Arc<Readers>)> {
        self.arena.as_ref().map(|shared| (&shared.arena, &shared.readers))
    }

    /// A worker is there that may hold buffers.
    pub(super) fn add_reader(&self, process: &Process) {
        if let Some(shared) = &self.arena {
            shared.readers.add(process.board.segment());
        }
    }

    /// A worker was reaped: it holds nothing any more, which the next sweep finds.
    pub(super) fn remove_reader(&self, process: &Process) {
        if let Some(shared) = &self.arena {
            shared.readers.remove(process.board.segment().id());
        }
    }

    /// Something has happened: buffers that workers held may be free.
    pub(super) fn sweep_buffers(&self) {
        if let Some(shared) = &self.arena {
            shared.readers.sweep();
        }
    }

    /// The arena as launches need it.
    pub(super) fn shared(&self) -> Option<&Shared> {
        self.arena.as_ref()
    }
}
