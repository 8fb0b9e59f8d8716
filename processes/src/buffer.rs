//! Bytes that are filled where the workers see them, and read there.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::holds::{self, Hold, Readers};
use crate::arena::places::{Listed, Name};
use crate::arena::{Block, Keyed};
use crate::engine::Engine;
use crate::scope;
use crate::zeros::zeros;

/// Bytes that are being filled; made by [`Pool::buffer`](crate::Pool::buffer).
pub struct BufferMut {
    /// Where they are.
    place: Filling,
}

/// Where bytes are that are being filled.
enum Filling {
    /// Where workers will see them, and who they are.
    Shared(Block, Arc<Readers>),
    /// In memory of this process.
    Own(Vec<u8>),
}

impl BufferMut {
    /// So many bytes.
    ///
    /// # Errors
    /// `OutOfMemory`: not even this process has memory for them.
    pub(crate) fn new(engine: &dyn Engine, len: usize) -> io::Result<Self> {
        let shared = engine.arena_and_readers().and_then(|(arena, readers)| {
            let mut block = Block::new(arena, len)?;
            block.set_len(len);
            Some(Filling::Shared(block, Arc::clone(readers)))
        });
        let place = match shared {
            Some(shared) => shared,
            None => Filling::Own(own(len)?),
        };
        Ok(Self { place })
    }

    /// True when they lie where the workers of their pool see them.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Filling::Shared(..))
    }

    /// Drops the bytes behind the first `len`, if there are any.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.place {
            Filling::Shared(block, _) => block.set_len(len.min(block.len())),
            Filling::Own(bytes) => bytes.truncate(len),
        }
    }

    /// From now on nobody changes them, and any number of calls may have them. Nothing is copied.
    pub fn freeze(self) -> Buffer {
        Buffer(match self.place {
            Filling::Shared(block, readers) => Bytes::Shared(Arc::new(Keyed::new(block, readers))),
            Filling::Own(bytes) => Bytes::Filled(Arc::new(bytes)),
        })
    }
}

/// So many bytes in memory of this process, if it has so much.
fn own(len: usize) -> io::Result<Vec<u8>> {
    zeros(len).ok_or_else(|| {
        let text = format!("no memory for a buffer of {len} bytes; ask for less, or send parts");
        io::Error::new(io::ErrorKind::OutOfMemory, text)
    })
}

impl Deref for BufferMut {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.place {
            Filling::Shared(block, _) => block.bytes(),
            Filling::Own(bytes) => bytes,
        }
    }
}

impl DerefMut for BufferMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.place {
            Filling::Shared(block, _) => block.bytes_mut(),
            Filling::Own(bytes) => bytes,
        }
    }
}

impl fmt::Debug for BufferMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("BufferMut");
        text.field("len", &self.len()).field("shared", &self.is_shared()).finish_non_exhaustive()
    }
}

/// Bytes that nobody changes, and that many processes read where they are.
///
/// It is filled as a [`BufferMut`]; a clone is another handle of the same bytes. Inside the argument
/// of a call of its own pool only its place is sent, and the worker reads the bytes where they are:
/// the same for all workers, whatever their number. The memory is used again when the last handle is
/// dropped, in whatever process that is; after one in a worker, when the pool does something next.
///
/// Items of a map that bring buffers travel together like others, and each lets go of its own as soon as it
/// has ended, whatever becomes of the others. The more memory those that were sent last need for themselves, on
/// the average, the fewer are on the way. That is no bound: a buffer that somebody else has, too, as
/// another item, does not count, and where items need much of which many were plain before, more of them are
/// on the way for a while. Each takes at least a page: a few bytes for one item only are better copied into that
/// item.
///
/// Everywhere else (the result of a call, a call of another pool, [`spawn`](crate::spawn()), a message of
/// a queue, a format of your own) it is bytes like any others, which are copied. The same is so when
/// there was no room for it, when a worker has more than 256 of them at a time, and for a worker that
/// could not map the memory when it started.
///
/// As bytes in such a format it is an enum with the one variant `Bytes`. While the argument of a call is
/// encoded, a format of your own inside of it gets a name instead (the variant `Name`). It can be decoded
/// with the arguments of calls that bring this buffer, and is an error in those of all others.
#[derive(Clone)]
pub struct Buffer(Bytes);

/// Where bytes are that nobody changes.
#[derive(Clone)]
enum Bytes {
    /// In the process that has filled them.
    Shared(Arc<Keyed>),
    /// In a worker that sees them.
    Held(Arc<Hold>),
    /// In memory of this process, where they were filled.
    Filled(Arc<Vec<u8>>),
    /// In memory of this process, as a copy.
    Own(Arc<[u8]>),
}

impl Buffer {
    /// True when the bytes lie in memory that a pool and its workers share.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Bytes::Shared(_) | Bytes::Held(_))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Shared(keyed) => keyed.bytes(),
            Bytes::Held(hold) => hold.bytes(),
            Bytes::Filled(bytes) => bytes,
            Bytes::Own(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Buffer {
    /// A copy, in memory of this process.
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::Own(bytes.into()))
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Buffer");
        text.field("len", &self.len()).field("shared", &self.is_shared()).finish_non_exhaustive()
    }
}

/// A buffer as it travels, on its way out.
#[derive(Serialize)]
#[serde(rename = "Buffer")]
enum Out<'a> {
    /// Which of those it is that the call brings.
    Name(Name),
    /// What is in it.
    Bytes(OutBytes<'a>),
}

/// Bytes as one piece, on their way out.
struct OutBytes<'a>(&'a [u8]);

impl Serialize for OutBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A buffer as it travels, on its way in.
#[derive(Deserialize)]
#[serde(rename = "Buffer")]
enum In {
    /// Which of those it is that the call brings.
    Name(Name),
    /// What is in it.
    Bytes(InBytes),
}

/// Bytes as one piece, on their way in.
struct InBytes(Arc<[u8]>);

impl<'de> Deserialize<'de> for InBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes the piece, or its bytes one by one.
        struct Piece;

        impl<'de> Visitor<'de> for Piece {
            type Value = InBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<InBytes, E> {
                Ok(InBytes(bytes.into()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<InBytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element()? {
                    bytes.push(byte);
                }
                Ok(InBytes(bytes.into()))
            }
        }

        deserializer.deserialize_bytes(Piece)
    }
}

impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match &self.0 {
            Bytes::Shared(keyed) => scope::send_buffer(keyed),
            Bytes::Held(_) | Bytes::Filled(_) | Bytes::Own(_) => None,
        };
        name.map_or(Out::Bytes(OutBytes(self)), Out::Name).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = match In::deserialize(deserializer)? {
            In::Bytes(bytes) => return Ok(Self(Bytes::Own(bytes.0))),
            In::Name(name) => name,
        };
        let arrived = || -> Result<Bytes, String> {
            let (at, len) = match scope::brought(name)? {
                Listed::Copy(bytes) => return Ok(Bytes::Own(bytes)),
                Listed::Arena { at, len } => (at, len),
            };
            match holds::hold(name.1, at, len)? {
                Some(hold) => Ok(Bytes::Held(hold)),
                None => Ok(Bytes::Own((&*holds::glance(at, len)?).into())),
            }
        };
        arrived().map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::places::Places;
    use crate::codec;

    #[test]
    fn as_bytes_it_survives_the_trip() {
        for len in [0, 1, 300, 100_000] {
            let bytes = vec![7; len];
            let encoded = codec::encode(&Buffer::from(&*bytes)).unwrap();
            let back: Buffer = codec::decode(&encoded).unwrap();
            assert!(*back == *bytes && !back.is_shared());
        }
    }

    #[test]
    fn a_name_means_something_to_the_call_only_that_brings_the_buffer() {
        let encoded = codec::encode(&Out::Name((1, 1))).unwrap();
        let decode = || codec::decode::<Buffer>(&encoded);
        assert!(decode().unwrap_err().contains("to a call only"));
        let decoded = scope::decoding(decode);
        assert!(decoded.unwrap_err().contains("no buffer of this call"));
        // Key 1, at 0, of length 5; arena 1, one entry, in the arena.
        let list = [1, 0, 5].map(u64::to_le_bytes).concat();
        let list = [&list[..], &1_u128.to_le_bytes(), &1_u32.to_le_bytes(), &[0]].concat();
        let (_argument, places) = Places::split(&list).unwrap();
        let decoded = scope::decoding_argument(places, decode).0;
        assert!(decoded.unwrap_err().contains("does not see the arena"));
    }
}
