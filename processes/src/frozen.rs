//! Shared memory that nobody can change any more.
//!
//! The seal is the kernel's (`F_SEAL_WRITE`), set while no process had the memory mapped for
//! writing, and mapping it so is impossible from then on. So a plain shared slice of it is sound
//! in every process, whatever the others do.
//!
//! This is one of the crate's few files with unsafe code: the values are reached through a
//! pointer.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::array::{SharedArray, VALUES_AT, count, holds};
use crate::lock::Shared;
use crate::scope;
use crate::segment::Segment;

/// Values in shared memory that nobody can change any more: a slice for all processes.
///
/// A clone is another handle of the same values. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error. Nothing is copied.
///
/// ```
/// use processes::{Frozen, SharedArray, spawn};
///
/// let table = SharedArray::from_slice(&[1_u64, 4, 9])?.freeze()?;
/// let call = spawn(|table: Frozen<u64>| table.iter().sum::<u64>(), table.clone())?;
/// assert_eq!(call.join()?, table[0] + table[1] + table[2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Frozen<T> {
    /// Sealed, and mapped for reading only.
    segment: Arc<Segment>,
    /// Values of this type are in it.
    value: PhantomData<T>,
}

impl<T: Shared + Sync> Frozen<T> {
    /// The values of an array whose memory was just frozen.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        debug_assert!(segment.is_frozen(), "only frozen memory comes here");
        Self { segment, value: PhantomData }
    }
}

impl<T: Shared + Sync> Deref for Frozen<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let first = self.segment.at(VALUES_AT).cast::<T>().as_ptr();
        // SAFETY: `count` values lie there, aligned to at most 64 (checked when the memory was
        // made), inside of a mapping that lives as long as `self`. They are valid (see
        // `SharedArray::with`), and the memory is sealed: no process can write to it. A clone of
        // the handle may be in another thread, and `T` is `Sync`.
        unsafe { std::slice::from_raw_parts(first, count::<T>(&self.segment)) }
    }
}

impl<T> Clone for Frozen<T> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), value: PhantomData }
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<T> Serialize for Frozen<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(&self.segment).map_err(serde::ser::Error::custom)?;
        id.serialize(serializer)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de, T: Shared + Sync> Deserialize<'de> for Frozen<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive_frozen(id).map_err(serde::de::Error::custom)?;
        if !holds::<SharedArray<T>, T>(&segment) {
            return Err(serde::de::Error::custom("the shared memory is no array of this type"));
        }
        Ok(Self { segment, value: PhantomData })
    }
}

impl<T> fmt::Debug for Frozen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen")
            .field("type", &std::any::type_name::<T>())
            .field("len", &count::<T>(&self.segment))
            .finish_non_exhaustive()
    }
}
