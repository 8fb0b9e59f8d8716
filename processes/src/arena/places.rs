//! The buffers that a call brings: which places in the arena its argument may name.
//!
//! Inside of an argument a buffer is a name: the arena's id and the buffer's key. What the name stands
//! for is in a *list* that the parent puts behind the encoded argument, where no user code gets hold of
//! it. So a name that user code has kept (as bytes in a format of its own) means something only to a
//! call that brings the same buffer again, and that one keeps the block as long as it runs.
//!
//! ```text
//! argument | (copies) | entries: key u64, offset u64, length u64 | arena u128 | count u32 | where u8
//! ```
//!
//! | where | the bytes of the buffers lie |
//! |---|---|
//! | `IN_ARENA` | in the arena of the pool |
//! | `COPIED` | between the argument and the list, as the worker does not see the arena |
//!
//! Whether there is a list is said by the [header](crate::frame::CallHeader) of the call.

use std::io::{self, Write};
use std::sync::{Arc, Weak};

use crate::segment::SegmentId;

use super::Keyed;

/// The bytes lie in the arena.
const IN_ARENA: u8 = 0;

/// The bytes lie behind the argument.
const COPIED: u8 = 1;

/// Bytes of an entry of the list.
const ENTRY: usize = 3 * size_of::<u64>();

/// How a buffer travels inside of an argument: the id of its arena, and its key.
///
/// The id is random and 128 bits long. A call may carry data from elsewhere that is decoded by its
/// types, and such data cannot name a buffer: it does not know the id.
pub(crate) type Name = (SegmentId, u64);

/// The buffers that a call brings, in the parent.
///
/// The call does not keep them: that does what travels with it ([`crate::scope::Keeper`]), which is
/// released when the call is cancelled, too.
#[derive(Debug, Default)]
pub(crate) enum Brought {
    /// None, and there is no list behind the argument.
    #[default]
    Nothing,
    /// These, which the list behind the argument says are in this arena.
    Listed(SegmentId, Vec<Weak<Keyed>>),
    /// Some, whose bytes lie behind the argument.
    Copied,
}

impl Brought {
    /// True when there is a list behind the argument.
    pub(crate) fn is_listed(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Puts the list behind an argument.
    ///
    /// # Errors
    /// That of `out`.
    pub(crate) fn append_to(&self, out: &mut impl Write) -> io::Result<()> {
        let Self::Listed(arena, buffers) = self else { return Ok(()) };
        let entries: Vec<_> =
            buffers.iter().filter_map(|buffer| Some(buffer.upgrade()?.entry())).collect();
        append(out, *arena, &entries, IN_ARENA)
    }

    /// The same argument for a worker that does not see the arena, with copies of the buffers. None
    /// when there is nothing to copy.
    pub(crate) fn copied(&self, argument: &[u8]) -> Option<Vec<u8>> {
        let Self::Listed(arena, buffers) = self else { return None };
        let (argument, _places) = Places::split(argument)?;
        let (mut out, mut entries) = (argument.to_vec(), Vec::with_capacity(buffers.len()));
        // One that is gone belonged to a call that was cancelled meanwhile.
        for buffer in buffers.iter().filter_map(Weak::upgrade) {
            let [key, _at, len] = buffer.entry();
            entries.push([key, out.len() as u64, len]);
            out.extend_from_slice(buffer.bytes());
        }
        append(&mut out, *arena, &entries, COPIED).expect("a vector takes everything");
        Some(out)
    }
}

/// Appends a list.
fn append(
    out: &mut impl Write,
    arena: SegmentId,
    entries: &[[u64; 3]],
    place: u8,
) -> io::Result<()> {
    for number in entries.as_flattened() {
        out.write_all(&number.to_le_bytes())?;
    }
    let count = u32::try_from(entries.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    out.write_all(&arena.to_le_bytes())?;
    out.write_all(&count.to_le_bytes())?;
    out.write_all(&[place])
}

/// The buffers that a call brings, in the worker; none where no call is decoded that brings some.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The arena of their names.
    arena: SegmentId,
    /// What their keys stand for, by key.
    listed: Vec<(u64, Listed)>,
}

/// What the name of a buffer stands for.
#[derive(Clone, Debug)]
pub(crate) enum Listed {
    /// These bytes of the arena; nobody has looked whether that is inside.
    Arena {
        /// Where it begins.
        at: u64,
        /// How many bytes it has.
        len: u64,
    },
    /// A copy.
    Copy(Arc<[u8]>),
}

impl Places {
    /// Takes the list off an argument that has one; none when it is not whole.
    pub(crate) fn split(argument: &[u8]) -> Option<(&[u8], Self)> {
        let (rest, [place]) = argument.split_last_chunk()?;
        let (rest, count) = rest.split_last_chunk()?;
        let (rest, arena) = rest.split_last_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (mut argument, entries) =
            rest.split_at_checked(rest.len().checked_sub(count.checked_mul(ENTRY)?)?)?;
        let whole = argument;
        let mut listed = Vec::with_capacity(count);
        for entry in entries.as_chunks::<{ size_of::<u64>() }>().0.as_chunks::<3>().0 {
            let [key, at, len] = entry.map(u64::from_le_bytes);
            let what = match *place {
                IN_ARENA => Listed::Arena { at, len },
                COPIED => {
                    let (at, len) = (usize::try_from(at).ok()?, usize::try_from(len).ok()?);
                    let bytes = whole.get(at..at.checked_add(len)?)?;
                    argument = &argument[..at.min(argument.len())];
                    Listed::Copy(bytes.into())
                }
                _ => return None,
            };
            listed.push((key, what));
        }
        listed.sort_unstable_by_key(|&(key, _)| key);
        Some((argument, Self { arena: SegmentId::from_le_bytes(*arena), listed }))
    }

    /// What a name stands for, if the call brings such a buffer.
    pub(crate) fn find(&self, (arena, key): Name) -> Option<&Listed> {
        let index = self.listed.binary_search_by_key(&key, |&(key, _)| key).ok()?;
        (arena == self.arena).then(|| &self.listed[index].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes behind the entries.
    const FOOT: usize = size_of::<SegmentId>() + size_of::<u32>() + 1;

    /// An argument with a list of these entries.
    fn with_list(argument: &[u8], entries: &[[u64; 3]], place: u8) -> Vec<u8> {
        let mut out = argument.to_vec();
        append(&mut out, 7, entries, place).unwrap();
        assert_eq!(out.len(), argument.len() + entries.len() * ENTRY + FOOT);
        out
    }

    #[test]
    fn only_what_is_listed_is_found() {
        let bytes = with_list(b"argument", &[[9, 4096, 100], [3, 0, 1 << 40]], IN_ARENA);
        let (argument, places) = Places::split(&bytes).unwrap();
        assert_eq!(argument, b"argument");
        let found = places.find((7, 3)).unwrap();
        assert!(matches!(found, Listed::Arena { at: 0, len } if *len == 1 << 40), "{found:?}");
        assert!(matches!(places.find((7, 9)), Some(Listed::Arena { at: 4096, len: 100 })));
        assert!(places.find((7, 4)).is_none() && places.find((8, 9)).is_none());
        assert!(Places::default().find((0, 0)).is_none());
    }

    #[test]
    fn copies_lie_behind_the_argument() {
        let bytes = with_list(b"argumentonetwo", &[[5, 8, 3], [6, 11, 3], [7, 14, 0]], COPIED);
        let (argument, places) = Places::split(&bytes).unwrap();
        assert_eq!(argument, b"argument");
        for (key, expected) in [(5, &b"one"[..]), (6, b"two"), (7, b"")] {
            let Some(Listed::Copy(found)) = places.find((7, key)) else { panic!("{key}") };
            assert_eq!(&**found, expected);
        }
    }

    #[test]
    fn a_list_that_is_not_whole_is_refused() {
        let whole = with_list(b"", &[[1, 2, 3]; 2], IN_ARENA);
        for cut in 1..=whole.len() {
            assert!(Places::split(&whole[cut..]).is_none(), "{cut} bytes are missing");
        }
        for place in [2, u8::MAX] {
            assert!(Places::split(&with_list(b"", &[[1, 2, 3]], place)).is_none());
        }
        for entry in [[1, 0, 5], [1, 5, 0], [1, u64::MAX, 2], [1, 2, u64::MAX]] {
            assert!(Places::split(&with_list(b"four", &[entry], COPIED)).is_none(), "{entry:?}");
        }
        let mut greedy = with_list(b"", &[], IN_ARENA);
        greedy[16..20].fill(0xff);
        assert!(Places::split(&greedy).is_none());
    }
}
