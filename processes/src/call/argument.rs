//! Encoded arguments, and the ways that they go.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use crate::arena::places::Brought;
use crate::arena::{ARENA_ABOVE, Arena, Block, Draft};
use crate::codec;
use crate::error::{JoinError, Side};
use crate::frame::{ARENA_BODY, Body, MAX_INLINE, MAX_ITEM};
use crate::items::Items;
use crate::scope::{self, Luggage};
use crate::segment::{Sealed, SegmentId, random_id};
use crate::shortage;

use super::refused;

/// So many arguments of this process lie in memfds of their own at a time, unless more have been sent:
/// each has a descriptor.
const MOST_SEALED: usize = 64;

/// How many do.
static SEALED: AtomicUsize = AtomicUsize::new(0);

/// An encoded argument.
#[derive(Debug)]
pub(crate) enum Argument {
    /// Short: sent inside the frame.
    Inline(Vec<u8>),
    /// Long: in the arena of the pool.
    Arena(Block),
    /// Long, and there is no room in an arena: sealed in a memfd that goes ahead on the control
    /// socket.
    Sealed(SegmentId, SealedEnd),
    /// Long, and neither an arena nor a descriptor was there for it: in memory of this process until
    /// it is sent, see [`set_out`](Self::set_out).
    Waiting(Vec<u8>),
    /// Many short ones of calls of the same function.
    Items(Items),
}

/// A sealed memfd with an argument in it.
#[derive(Debug)]
pub(crate) struct SealedEnd {
    /// The memfd.
    pub(crate) fd: OwnedFd,
    /// How long the argument is.
    len: usize,
}

impl SealedEnd {
    /// A memfd with these bytes, however many there are.
    ///
    /// # Errors
    /// No descriptor or no memory is left.
    fn write(bytes: &[u8]) -> io::Result<Self> {
        let fd = Sealed::write(bytes)?;
        SEALED.fetch_add(1, Ordering::Relaxed);
        Ok(Self { fd, len: bytes.len() })
    }
}

impl Drop for SealedEnd {
    fn drop(&mut self) {
        SEALED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The ways that are open to an argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways<'a> {
    /// Longer ones are refused.
    pub(crate) max_payload: usize,
    /// Longer ones do not travel in a frame.
    pub(crate) inline: usize,
    /// The arena of the pool, if it has one.
    pub(crate) arena: Option<&'a Arc<Arena>>,
}

impl Ways<'_> {
    /// Those where there is no arena.
    pub(crate) fn without_arena(max_payload: usize) -> Self {
        Self { max_payload, inline: MAX_INLINE, arena: None }
    }
}

impl Argument {
    /// Encodes one; what travels with it comes along, and the buffers that it brings are listed behind it.
    ///
    /// # Errors
    /// It cannot be encoded, or as [`of`](Self::of).
    pub(crate) fn encode<A: Serialize>(
        argument: &A,
        ways: Ways<'_>,
    ) -> Result<(Self, Luggage, Brought), JoinError> {
        let mut draft = Draft::short(ways.arena);
        let encode = || codec::encode_into(argument, &mut draft);
        let (encoded, mut luggage) = scope::encoding_argument(ways.arena, encode);
        encoded.map_err(refused)?;
        check_size(draft.len(), ways)?;
        let brought = luggage.brought();
        brought.append_to(&mut draft).map_err(|_too_many| too_many())?;
        let argument = match draft.finish() {
            (_empty, Some(block)) => Self::Arena(block),
            (bytes, None) => Self::choose(bytes, ways)?,
        };
        Ok((argument, luggage, brought))
    }

    /// Encoded as `bytes`, behind which these buffers are listed: chooses the way.
    ///
    /// # Errors
    /// They are more than the most; there is no room in the arena, and no memory.
    pub(crate) fn of(
        mut bytes: Vec<u8>,
        brought: &Brought,
        ways: Ways<'_>,
    ) -> Result<Self, JoinError> {
        check_size(bytes.len(), ways)?;
        brought.append_to(&mut bytes).map_err(|_too_many| too_many())?;
        Self::choose(bytes, ways)
    }

    /// As [`of`](Self::of), with the list, and not too long.
    fn choose(bytes: Vec<u8>, ways: Ways<'_>) -> Result<Self, JoinError> {
        let size = bytes.len();
        if size > ARENA_ABOVE
            && let Some(mut block) = ways.arena.and_then(|arena| Block::new(arena, size))
            && block.append(&bytes)
        {
            return Ok(Self::Arena(block));
        }
        if size <= ways.inline {
            return Ok(Self::Inline(bytes));
        }
        if SEALED.load(Ordering::Relaxed) >= MOST_SEALED {
            return Ok(Self::Waiting(bytes));
        }
        match Self::sealed(&bytes) {
            Ok(sealed) => Ok(sealed),
            Err(error) if shortage::is_of_descriptors(&error) => Ok(Self::Waiting(bytes)),
            Err(error) => Err(without_memory(size, &error)),
        }
    }

    /// In a memfd of its own.
    fn sealed(bytes: &[u8]) -> io::Result<Self> {
        Ok(Self::Sealed(random_id()?, SealedEnd::write(bytes)?))
    }

    /// It is about to be sent: what was waiting for that goes into the arena, or into a memfd. That is
    /// a copy, made while the core is locked.
    ///
    /// # Errors
    /// No descriptor or no memory is left.
    pub(crate) fn set_out(&mut self, arena: Option<&Arc<Arena>>) -> io::Result<()> {
        if let Self::Waiting(bytes) = self {
            let block = arena.and_then(|arena| Block::new(arena, bytes.len()));
            *self = if let Some(mut block) = block
                && block.append(bytes)
            {
                Self::Arena(block)
            } else {
                Self::sealed(bytes)?
            };
        }
        Ok(())
    }

    /// The same on a way that a worker can take that has no part in the arena: also what it brings.
    ///
    /// # Errors
    /// No descriptor or memory is left.
    pub(super) fn leave_arena(&mut self, brought: &mut Brought) -> io::Result<()> {
        let copied = match self {
            Self::Inline(bytes) | Self::Waiting(bytes) => brought.copied(bytes),
            Self::Arena(block) => brought.copied(&block.steady()),
            Self::Sealed(_id, end) if matches!(brought, Brought::Listed(..)) => {
                brought.copied(&Sealed::map(&end.fd)?)
            }
            Self::Sealed(..) | Self::Items(_) => None,
        };
        if let Some(copied) = copied {
            *self = Self::sealed(&copied)?;
            *brought = Brought::Copied;
        } else if let Self::Arena(block) = self {
            *self = Self::sealed(&block.steady())?;
        }
        Ok(())
    }

    /// Whether a single one is longer than an item of many may be.
    pub(crate) fn is_long(&self) -> bool {
        match self {
            Self::Inline(bytes) => bytes.len() > MAX_ITEM,
            Self::Arena(_) | Self::Sealed(..) | Self::Waiting(_) => true,
            Self::Items(_) => false,
        }
    }

    /// Bytes of the encoding.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Inline(bytes) | Self::Waiting(bytes) => bytes.len(),
            Self::Arena(block) => block.len(),
            Self::Sealed(_id, sealed) => sealed.len,
            Self::Items(items) => items.bytes().len(),
        }
    }

    /// How many results it has.
    pub(super) fn items(&self) -> u16 {
        match self {
            Self::Items(items) => items.count(),
            Self::Inline(_) | Self::Arena(_) | Self::Sealed(..) | Self::Waiting(_) => 1,
        }
    }

    /// Bytes it takes in a frame, behind the header.
    pub(super) fn frame_bytes(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Arena(_) => ARENA_BODY,
            Self::Sealed(..) | Self::Waiting(_) => size_of::<SegmentId>(),
            Self::Items(items) => items.bytes().len(),
        }
    }

    /// What goes into the frame.
    pub(super) fn body(&self) -> Body<'_> {
        match self {
            Self::Inline(bytes) => Body::Inline(bytes),
            Self::Arena(block) => {
                Body::Arena { at: block.offset() as u64, len: block.len() as u64 }
            }
            Self::Sealed(id, _fd) => Body::Payload(*id),
            Self::Items(items) => Body::Items(items.bytes()),
            Self::Waiting(_) => unreachable!("it has set out before it comes into a frame"),
        }
    }
}

/// More buffers than can be listed.
fn too_many() -> JoinError {
    let most = u32::MAX;
    refused(format!("a call brings at most {most} buffers: put what belongs together into one"))
}

/// Why an argument of so many bytes cannot be sent.
pub(crate) fn without_memory(size: usize, error: &io::Error) -> JoinError {
    refused(format!("no shared memory for {size} bytes: {error}"))
}

/// Refuses what is too long.
fn check_size(size: usize, ways: Ways<'_>) -> Result<(), JoinError> {
    let limit = ways.max_payload;
    if size > limit {
        return Err(JoinError::TooLarge { side: Side::Parent, size, limit });
    }
    Ok(())
}
