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
//! Copies lie one behind the other, in the order of their entries. No key comes twice in a list, and no
//! two places overlap. Whether there is a list is said by the [header](crate::frame::CallHeader) of the
//! call. Many items of a map in a frame have a list each, or none: so none of them can name a buffer that
//! only another one brings, which may be free already ([freight](super::freight)).

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

/// Bytes of a list behind its entries.
const FOOT: usize = size_of::<SegmentId>() + size_of::<u32>() + 1;

/// Bytes of a list of so many buffers.
pub(crate) fn list_bytes(buffers: usize) -> usize {
    buffers.saturating_mul(ENTRY).saturating_add(FOOT)
}

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
    /// These, which are all in one arena.
    pub(crate) fn listed(buffers: &[Arc<Keyed>]) -> Self {
        let arena = buffers.first().map(|buffer| buffer.arena_id());
        arena.map_or(Self::Nothing, |arena| {
            Self::Listed(arena, buffers.iter().map(Arc::downgrade).collect())
        })
    }

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
        let entries = buffers.iter().filter_map(|buffer| Some(buffer.upgrade()?.entry()));
        append(out, *arena, entries, IN_ARENA)
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
        append(&mut out, *arena, entries, COPIED).expect("a vector takes everything");
        Some(out)
    }
}

/// Appends a list of the buffers that an item brings; nothing when there are none.
pub(crate) fn append_list(out: &mut Vec<u8>, buffers: &[Arc<Keyed>]) {
    if let Some(first) = buffers.first() {
        let entries = buffers.iter().map(|buffer| buffer.entry());
        append(out, first.arena_id(), entries, IN_ARENA).expect("a vector takes everything");
    }
}

/// Appends a list.
fn append(
    out: &mut impl Write,
    arena: SegmentId,
    entries: impl IntoIterator<Item = [u64; 3]>,
    place: u8,
) -> io::Result<()> {
    let mut count = 0_u32;
    for entry in entries {
        for number in entry {
            out.write_all(&number.to_le_bytes())?;
        }
        count = count.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
    }
    out.write_all(&arena.to_le_bytes())?;
    out.write_all(&count.to_le_bytes())?;
    out.write_all(&[place])
}

/// The buffers that a call brings, in the worker; none where no call is decoded that brings some.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The arena of their names.
    arena: SegmentId,
    /// What their keys stand for.
    listed: Entries,
}

/// What keys stand for. Mostly there is one, for which nothing is allocated.
#[derive(Debug, Default)]
enum Entries {
    /// There are none.
    #[default]
    Nothing,
    /// One.
    One(u64, Listed),
    /// Others, by key.
    Many(Vec<(u64, Listed)>),
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
        let (argument, entries) =
            rest.split_at_checked(rest.len().checked_sub(count.checked_mul(ENTRY)?)?)?;
        let entries = entries.as_chunks::<{ size_of::<u64>() }>().0.as_chunks::<3>().0;
        let entries = entries.iter().map(|entry| entry.map(u64::from_le_bytes));
        let (argument, listed) = match *place {
            IN_ARENA => (argument, in_arena(entries)?),
            COPIED => copies(argument, entries)?,
            _ => return None,
        };
        Some((argument, Self { arena: SegmentId::from_le_bytes(*arena), listed }))
    }

    /// What a name stands for, if the call brings such a buffer.
    pub(crate) fn find(&self, (arena, key): Name) -> Option<&Listed> {
        if arena != self.arena {
            return None;
        }
        match &self.listed {
            Entries::Nothing => None,
            Entries::One(known, listed) => (*known == key).then_some(listed),
            Entries::Many(all) => {
                let index = all.binary_search_by_key(&key, |&(key, _)| key).ok()?;
                Some(&all[index].1)
            }
        }
    }
}

impl Entries {
    /// These, in whatever order; none when a key comes twice.
    fn new(mut all: Vec<(u64, Listed)>) -> Option<Self> {
        all.sort_unstable_by_key(|&(key, _)| key);
        all.array_windows().all(|[(one, _), (next, _)]| one != next).then_some(Self::Many(all))
    }
}

/// The entries of a list of places in the arena; none when a key comes twice, or places overlap.
fn in_arena(mut entries: impl ExactSizeIterator<Item = [u64; 3]>) -> Option<Entries> {
    let whole = |[key, at, len]: [u64; 3]| {
        let end = at.checked_add(len)?;
        Some((key, Listed::Arena { at, len }, (at, end)))
    };
    if entries.len() < 2 {
        return match entries.next() {
            None => Some(Entries::Nothing),
            Some(only) => whole(only).map(|(key, listed, _range)| Entries::One(key, listed)),
        };
    }
    let (mut all, mut ranges) =
        (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    for entry in entries {
        let (key, listed, range) = whole(entry)?;
        all.push((key, listed));
        ranges.push(range);
    }
    ranges.sort_unstable();
    let apart = ranges.array_windows().all(|[(_, end), (next, _)]| end <= next);
    if apart { Entries::new(all) } else { None }
}

/// The argument before the copies, and the entries of their list; none when the copies are not one behind
/// the other, up to the list: bytes that many entries name would be copied as often.
fn copies(
    whole: &[u8],
    entries: impl ExactSizeIterator<Item = [u64; 3]>,
) -> Option<(&[u8], Entries)> {
    let (mut argument, mut end) = (whole, None);
    let mut all = Vec::with_capacity(entries.len());
    for [key, at, len] in entries {
        let (at, len) = (usize::try_from(at).ok()?, usize::try_from(len).ok()?);
        let bytes = whole.get(at..at.checked_add(len)?)?;
        match end {
            None => argument = &whole[..at],
            Some(end) if end != at => return None,
            Some(_) => {}
        }
        end = Some(at + len);
        all.push((key, Listed::Copy(bytes.into())));
    }
    if end.is_some_and(|end| end != whole.len()) {
        return None;
    }
    Entries::new(all).map(|entries| (argument, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An argument with a list of these entries.
    fn with_list(argument: &[u8], entries: &[[u64; 3]], place: u8) -> Vec<u8> {
        let mut out = argument.to_vec();
        append(&mut out, 7, entries.iter().copied(), place).unwrap();
        assert_eq!(out.len(), argument.len() + list_bytes(entries.len()));
        out
    }

    #[test]
    fn only_what_is_listed_is_found() {
        let bytes = with_list(b"argument", &[[9, 4096, 100], [3, 8192, 1 << 40]], IN_ARENA);
        let (argument, places) = Places::split(&bytes).unwrap();
        assert_eq!(argument, b"argument");
        let found = places.find((7, 3)).unwrap();
        assert!(matches!(found, Listed::Arena { at: 8192, len } if *len == 1 << 40), "{found:?}");
        assert!(matches!(places.find((7, 9)), Some(Listed::Arena { at: 4096, len: 100 })));
        assert!(places.find((7, 4)).is_none() && places.find((8, 9)).is_none());
        assert!(Places::default().find((0, 0)).is_none());
        let bytes = with_list(b"argument", &[[9, 4096, 100]], IN_ARENA);
        let (argument, places) = Places::split(&bytes).unwrap();
        assert_eq!(argument, b"argument");
        assert!(matches!(places.find((7, 9)), Some(Listed::Arena { at: 4096, len: 100 })));
        assert!(places.find((7, 8)).is_none() && places.find((8, 9)).is_none());
    }

    #[test]
    fn entries_that_contradict_each_other_are_refused() {
        let ends = u64::MAX;
        let apart: [&[[u64; 3]]; 4] = [
            &[[1, 0, 10], [2, 10, 10]],
            &[[1, 10, 10], [2, 0, 10], [3, 10, 0]],
            &[[1, ends, 0]],
            &[[1, 0, 0], [2, 0, 0]],
        ];
        for entries in apart {
            assert!(Places::split(&with_list(b"", entries, IN_ARENA)).is_some(), "{entries:?}");
        }
        let wrong: [&[[u64; 3]]; 6] = [
            &[[1, 0, 10], [1, 10, 10]],
            &[[1, 0, 10], [2, 9, 10]],
            &[[1, 0, 10], [2, 0, 10]],
            &[[1, 0, ends], [2, 10, 1], [3, 20, 1]],
            &[[1, ends, 1]],
            &[[1, 0, 1], [2, 5, ends]],
        ];
        for entries in wrong {
            assert!(Places::split(&with_list(b"", entries, IN_ARENA)).is_none(), "{entries:?}");
        }
        // Sixteen bytes, of which two are the argument.
        let wrong: [&[[u64; 3]]; 6] = [
            &[[1, 2, 7], [1, 9, 7]],
            &[[1, 2, 14], [2, 2, 14]],
            &[[1, 2, 7], [2, 8, 8]],
            &[[1, 2, 7], [2, 10, 6]],
            &[[1, 9, 7], [2, 2, 7]],
            &[[1, 2, 13]],
        ];
        let right: &[[u64; 3]] = &[[2, 2, 7], [1, 9, 7]];
        assert!(Places::split(&with_list(&[0; 16], right, COPIED)).is_some());
        for entries in wrong {
            assert!(Places::split(&with_list(&[0; 16], entries, COPIED)).is_none(), "{entries:?}");
        }
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
        let whole = with_list(b"", &[[1, 2, 3], [2, 5, 3]], IN_ARENA);
        assert!(Places::split(&whole).is_some());
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
