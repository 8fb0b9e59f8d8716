//! Atomics in a row in shared memory.
//!
//! This is one of the crate's few files with unsafe code: they are reached through a pointer.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16,
    AtomicU32, AtomicU64, AtomicUsize,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::array::{VALUES_AT, bytes, count, holds, note};
use crate::scope;
use crate::segment::Segment;

/// An atomic of `std` that may be shared between processes.
///
/// # Safety
/// All bytes zero is a value, and it is changed by atomic instructions only, on the bytes of the
/// atomic itself (not by a lock elsewhere in the memory of one process).
#[expect(private_bounds, reason = "nobody else can implement it")]
pub unsafe trait Atomic: Sealed + Send + Sync + 'static {}

/// Keeps [`Atomic`] to the types of this file.
trait Sealed {}

/// Implements [`Atomic`] for types of `std`.
macro_rules! atomic {
    ($($type:ty)*) => {$(
        impl Sealed for $type {}
        // SAFETY: zero is a value (for `bool`, false), and `std` says that the type has the layout
        // of its integer and is lock-free wherever it exists.
        unsafe impl Atomic for $type {}
    )*};
}

atomic!(AtomicBool AtomicI8 AtomicI16 AtomicI32 AtomicI64 AtomicIsize);
atomic!(AtomicU8 AtomicU16 AtomicU32 AtomicU64 AtomicUsize);

/// Atomics in a row, in memory that several processes share: a slice of them, for all.
///
/// A clone is another handle of the same atomics. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error. Orderings mean between processes
/// what they mean between threads. There is nothing to wait with: for that, see
/// [`Event`](crate::Event) and [`Condition`](crate::Condition).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use processes::{SharedAtomics, spawn};
///
/// let hits = SharedAtomics::<AtomicU64>::new(2)?;
/// let count = |hits: SharedAtomics<AtomicU64>| hits[1].fetch_add(1, Ordering::Relaxed);
/// for call in [(); 3].map(|()| spawn(count, hits.clone())) {
///     call?.join()?;
/// }
/// assert_eq!(hits[1].load(Ordering::Relaxed), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedAtomics<A> {
    /// Type, atomics.
    segment: Arc<Segment>,
    /// Atomics of this type are in it.
    value: PhantomData<A>,
}

impl<A: Atomic> SharedAtomics<A> {
    /// So many atomics, all zero (or false).
    ///
    /// # Errors
    /// `InvalidInput` when `len` is zero or above what a process can address; otherwise no
    /// descriptors, memory or addresses are left.
    pub fn new(len: usize) -> io::Result<Self> {
        let segment = Segment::create(bytes::<A>(len)?)?;
        note::<Self>(&segment);
        Ok(Self { segment, value: PhantomData })
    }
}

impl<A: Atomic> Deref for SharedAtomics<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        let first = self.segment.at(VALUES_AT).cast::<A>().as_ptr();
        // SAFETY: `count` atomics lie there, aligned to at most 64 (`bytes` checked that), inside
        // of a mapping that lives as long as `self`. They began as zero, which is a value, and
        // everybody touches these bytes through atomics of this very type: the type is noted in
        // the memory and was checked when the handle arrived.
        unsafe { std::slice::from_raw_parts(first, count::<A>(&self.segment)) }
    }
}

impl<A> Clone for SharedAtomics<A> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), value: PhantomData }
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<A> Serialize for SharedAtomics<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(&self.segment).map_err(serde::ser::Error::custom)?;
        id.serialize(serializer)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de, A: Atomic> Deserialize<'de> for SharedAtomics<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive(id).map_err(serde::de::Error::custom)?;
        if !holds::<Self, A>(&segment) {
            return Err(serde::de::Error::custom("the shared memory is no such row of atomics"));
        }
        Ok(Self { segment, value: PhantomData })
    }
}

impl<A: Atomic + fmt::Debug> fmt::Debug for SharedAtomics<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        let mut list = f.debug_list();
        list.entries(self.iter().take(SHOWN));
        if self.len() > SHOWN { list.finish_non_exhaustive() } else { list.finish() }
    }
}
