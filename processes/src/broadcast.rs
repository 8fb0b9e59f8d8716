//! Values that are encoded once for many calls.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::buffer::{Buffer, BufferMut};
use crate::codec;
use crate::engine::Engine;
use crate::error::{JoinError, Side};

/// A value that was encoded once, for any number of calls; made by
/// [`Pool::broadcast`](crate::Pool::broadcast).
///
/// It is a [`Buffer`], so a clone is another handle, and calls of the pool are sent only where it
/// lies.
///
/// ```
/// use processes::{Broadcast, Pool};
///
/// let pool = Pool::new(2)?;
/// let words = pool.broadcast(&vec!["one".to_owned(), "two".to_owned()])?;
/// let longer: fn((Broadcast<Vec<String>>, usize)) -> usize = |(words, length)| {
///     words.get().unwrap().iter().filter(|word| word.len() > length).count()
/// };
/// let counts: Vec<_> = pool.map(longer, (0..4).map(|n| (words.clone(), n))).collect();
/// assert_eq!(counts.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 2, 2, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broadcast<T> {
    /// The encoding.
    encoded: Buffer,
    /// Of such a value.
    value: PhantomData<fn() -> T>,
}

impl<T: Serialize> Broadcast<T> {
    /// Encodes a value.
    pub(crate) fn new(engine: &dyn Engine, value: &T) -> Result<Self, JoinError> {
        let side = Side::Parent;
        let bytes = codec::encode(value).map_err(|message| JoinError::Encode { side, message })?;
        let limit = engine.ways().max_payload;
        if bytes.len() > limit {
            return Err(JoinError::TooLarge { side, size: bytes.len(), limit });
        }
        let mut encoded = BufferMut::new(engine, bytes.len())
            .map_err(|error| JoinError::Encode { side, message: error.to_string() })?;
        encoded.copy_from_slice(&bytes);
        Ok(Self { encoded: encoded.freeze(), value: PhantomData })
    }
}

impl<T: DeserializeOwned> Broadcast<T> {
    /// The value, decoded anew each time; keep it for as long as it is needed.
    ///
    /// # Errors
    /// Its `Deserialize` fails, as a sentence.
    pub fn get(&self) -> Result<T, String> {
        codec::decode(&self.encoded)
    }
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self { encoded: self.encoded.clone(), value: PhantomData }
    }
}

impl<T> Serialize for Broadcast<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.encoded.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Broadcast<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { encoded: Buffer::deserialize(deserializer)?, value: PhantomData })
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("type", &std::any::type_name::<T>())
            .field("bytes", &self.encoded.len())
            .finish_non_exhaustive()
    }
}
