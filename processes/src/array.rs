//! Values in a row in shared memory, for several processes.
//!
//! ```text
//! mutex | type | values
//! ```
//!
//! All access to the values is under the robust mutex: two processes (or threads) that touch the
//! same bytes at the same time, one of them writing, would be a data race, which no program may
//! have. So a `read` never sees half of a `write`. What a killed process has half written is half
//! written; every mixture of values is a value, which is what [`Shared`] says, so nothing is
//! poisoned.
//!
//! This is one of the crate's few files with unsafe code: the values are reached through a
//! pointer.

use std::any::TypeId;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::frozen::Frozen;
use crate::lock::{Shared, type_tag};
use crate::robust::{self, MUTEX_BYTES, Owned, Patience};
use crate::scope;
use crate::segment::Segment;

/// Where the type of the values is noted, as an index of 8-byte words: after the mutex.
const TYPE_WORD: usize = MUTEX_BYTES / 8;

/// Where the values are: on a cache line of their own.
pub(crate) const VALUES_AT: usize = 2 * MUTEX_BYTES;

/// Values of plain data in a row, in memory that several processes share.
///
/// A clone is another handle of the same values. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error. The memory has no name and is
/// gone with the last process that has it: there is nothing to unlink or to leak. A worker that got it
/// with a call has it until the last handle in its parent is dropped, and a moment longer (or, below a
/// mebibyte, until it gets the next shared object). Its size is fixed.
///
/// ```
/// use processes::{SharedArray, spawn};
///
/// let squares = SharedArray::filled(0_u64, 1_000)?;
/// let fill = |(squares, from): (SharedArray<u64>, usize)| {
///     let part: Vec<_> = (from..from + 500).map(|i| (i * i) as u64).collect();
///     squares.write(from, &part);
/// };
/// let calls = [0, 500].map(|from| spawn(fill, (squares.clone(), from)));
/// for call in calls {
///     call?.join()?;
/// }
/// assert_eq!(squares.load(999), 998_001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every method has the array for itself while it runs. For counters that many processes change
/// there is [`SharedAtomics`](crate::SharedAtomics); for data that nobody changes any more,
/// [`freeze`](Self::freeze).
///
/// **Not** guaranteed:
/// - That a `write` is there as a whole when its process was killed in the middle of it. Each value
///   is valid.
/// - That the machine has the memory. The kernel gives it out when it is first written to, and ends
///   a process for which it has none.
pub struct SharedArray<T> {
    /// Mutex, type, values.
    segment: Arc<Segment>,
    /// Values of this type are in it.
    value: PhantomData<T>,
}

/// Bytes in memory that several processes share.
pub type SharedMem = SharedArray<u8>;

/// Why shared memory was not frozen; nothing has changed.
#[derive(Debug, Error)]
#[error("the shared memory cannot be frozen: {source}")]
pub struct FreezeError<T> {
    /// The handle that was to be frozen.
    array: SharedArray<T>,
    /// What is in the way.
    source: io::Error,
}

impl<T> FreezeError<T> {
    /// The handle that was to be frozen, as good as before.
    pub fn into_inner(self) -> SharedArray<T> {
        self.array
    }
}

impl<T: Shared + Default> SharedArray<T> {
    /// So many default values: of numbers, zeros.
    ///
    /// ```
    /// use processes::{SharedArray, SharedMem};
    ///
    /// let (floats, bytes) = (SharedArray::<f64>::new(100)?, SharedMem::new(1 << 30)?);
    /// assert_eq!((floats.load(99), bytes.len()), (0.0, 1 << 30));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Zeros are there from the start: memory is used when something else is written. Other values are
    /// written one after the other, as [`filled`](Self::filled) does.
    ///
    /// # Errors
    /// `InvalidInput` when `len` is zero or above what a process can address; otherwise no
    /// descriptors, memory or addresses are left.
    pub fn new(len: usize) -> io::Result<Self> {
        if is_zero_at_first::<T>() { Self::create(len) } else { Self::filled(T::default(), len) }
    }
}

/// True for numbers and `bool`: the default is what memory without anything written to it holds.
fn is_zero_at_first<T: 'static>() -> bool {
    /// One of these types.
    macro_rules! one_of {
        ($($type:ty),*) => { [$(TypeId::of::<$type>()),*].contains(&TypeId::of::<T>()) };
    }
    one_of!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool)
}

impl<T: Shared> SharedArray<T> {
    /// So many times the same value.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn filled(value: T, len: usize) -> io::Result<Self> {
        Ok(Self::create(len)?.begin(std::iter::repeat_n(value, len)))
    }

    /// A copy of these values.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_slice(values: &[T]) -> io::Result<Self> {
        Ok(Self::create(values.len())?.begin(values.iter().copied()))
    }

    /// Memory for so many values, all bytes zero, which need not be a value.
    fn create(len: usize) -> io::Result<Self> {
        let segment = Segment::create_freezable(bytes::<T>(len)?)?;
        robust::create(&segment)?;
        note::<Self>(&segment);
        Ok(Self { segment, value: PhantomData })
    }

    /// Writes the first values, `len` of them, into an array that nobody else knows yet.
    fn begin(self, values: impl ExactSizeIterator<Item = T>) -> Self {
        assert_eq!(values.len(), self.len(), "every value is written");
        let first = self.as_ptr();
        for (index, value) in values.enumerate() {
            // SAFETY: there is room for `len` values from `first` on, and not more come.
            let at = unsafe { first.add(index) };
            // SAFETY: as above; values there are aligned, to at most 64 (`bytes` checked that),
            // and nobody else knows the memory.
            unsafe { at.write(value) };
        }
        self
    }

    /// How many values there are; never zero.
    pub fn len(&self) -> usize {
        count::<T>(&self.segment)
    }

    /// False: there is no array without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len), and as [`with`](Self::with).
    pub fn load(&self, index: usize) -> T {
        self.with(|values| values[index])
    }

    /// Changes the value at `index`.
    ///
    /// # Panics
    /// As [`load`](Self::load).
    pub fn store(&self, index: usize, value: T) {
        self.with(|values| values[index] = value);
    }

    /// Copies values out, the first one from `start`.
    ///
    /// # Panics
    /// If there are not so many from there on, and as [`with`](Self::with).
    pub fn read(&self, start: usize, out: &mut [T]) {
        self.with(|values| out.copy_from_slice(part(values, start, out.len())));
    }

    /// Copies values in, the first one to `start`.
    ///
    /// # Panics
    /// As [`read`](Self::read); then nothing is written.
    pub fn write(&self, start: usize, new: &[T]) {
        self.with(|values| part(values, start, new.len()).copy_from_slice(new));
    }

    /// A copy of all values.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    pub fn to_vec(&self) -> Vec<T> {
        self.with(|values| values.to_vec())
    }

    /// Runs `f` with all values where they are. Nobody else reads or writes them meanwhile: all
    /// other processes wait, so compute elsewhere.
    ///
    /// # Panics
    /// If the calling thread already has this array for itself: inside of `f`, use what `f` got. If some
    /// process has overwritten the mutex.
    pub fn with<R>(&self, f: impl FnOnce(&mut [T]) -> R) -> R {
        let held = self.lock();
        let first = held.segment().at(VALUES_AT).cast::<T>().as_ptr();
        // SAFETY: `len` values lie there, aligned to at most 64 (`bytes` checked that), inside of
        // a mapping that `held` keeps. They are valid: every constructor has written them, or
        // they are bytes, or whatever mixture a killed process left, which `Shared` says is valid.
        // Nobody else touches them: all access is under the mutex, which this thread holds.
        let values = unsafe { std::slice::from_raw_parts_mut(first, self.len()) };
        f(values)
    }

    /// Where the values begin, for code that divides them between processes without a copy.
    ///
    /// The address is good as long as a handle exists in this process. Whoever uses it has to see
    /// to it that no other process and no other method touches the same values at the same time.
    pub fn as_ptr(&self) -> *mut T {
        self.segment.at(VALUES_AT).cast().as_ptr()
    }

    /// Waits for the mutex. A dead owner is of no interest, see the module's documentation.
    fn lock(&self) -> Owned {
        let owned = robust::lock(&self.segment, Patience::Forever);
        owned.expect("waiting for ever ends with the lock")
    }
}

impl<T: Shared + Sync> SharedArray<T> {
    /// Makes the values unchangeable for everybody, for ever, and readable without a copy or a
    /// lock. The result may be passed to calls like this handle.
    ///
    /// # Errors
    /// Somebody could still write: there is another handle in this process (a clone, or one in a
    /// call that is not finished or whose result was not taken), or in another one. The kernel
    /// itself refuses then, so a result is a promise. The handle comes back with the error.
    ///
    /// A worker has handles only while it executes a call with one, unless the call stored it.
    pub fn freeze(self) -> Result<Frozen<T>, FreezeError<T>> {
        match Segment::freeze(self.segment) {
            Ok(segment) => Ok(Frozen::new(segment)),
            Err((segment, source)) => {
                Err(FreezeError { array: Self { segment, value: PhantomData }, source })
            }
        }
    }
}

/// `len` values from `start` on.
fn part<T>(values: &mut [T], start: usize, len: usize) -> &mut [T] {
    let all = values.len();
    let end = start.checked_add(len).filter(|&end| end <= all);
    let end = end.unwrap_or_else(|| panic!("{len} values from {start} on, but there are {all}"));
    &mut values[start..end]
}

/// How many bytes it takes to have so many values.
///
/// # Errors
/// `InvalidInput`: none, or more than a process can address.
pub(crate) fn bytes<T>(len: usize) -> io::Result<usize> {
    const {
        assert!(align_of::<T>() <= MUTEX_BYTES, "the values' alignment is above 64");
        assert!(size_of::<T>() > 0, "values without a size need no memory");
    }
    len.checked_mul(size_of::<T>())
        .filter(|&bytes| bytes > 0)
        .and_then(|bytes| bytes.checked_add(VALUES_AT))
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| {
            let most = isize::MAX.unsigned_abs() / size_of::<T>() - VALUES_AT;
            let text = format!("shared memory for {len} values: ask for 1 to {most}");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
}

/// How many values a segment has.
pub(crate) fn count<T>(segment: &Segment) -> usize {
    (segment.len() - VALUES_AT) / size_of::<T>()
}

/// Notes in a new segment what it is.
pub(crate) fn note<Array: 'static>(segment: &Segment) {
    segment.atomic_u64(TYPE_WORD).store(type_tag::<Array>(), Ordering::Relaxed);
}

/// True when a segment that came from elsewhere holds what `Array` notes as its type, with at
/// least one `T`.
pub(crate) fn holds<Array: 'static, T>(segment: &Segment) -> bool {
    segment.len() >= VALUES_AT + size_of::<T>()
        && segment.atomic_u64(TYPE_WORD).load(Ordering::Relaxed) == type_tag::<Array>()
}

impl<T> Clone for SharedArray<T> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), value: PhantomData }
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<T> Serialize for SharedArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(&self.segment).map_err(serde::ser::Error::custom)?;
        id.serialize(serializer)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de, T: Shared> Deserialize<'de> for SharedArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive(id).map_err(serde::de::Error::custom)?;
        if !holds::<Self, T>(&segment) {
            return Err(serde::de::Error::custom("the shared memory is no array of this type"));
        }
        Ok(Self { segment, value: PhantomData })
    }
}

impl<T> fmt::Debug for SharedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedArray")
            .field("type", &std::any::type_name::<T>())
            .field("len", &count::<T>(&self.segment))
            .finish_non_exhaustive()
    }
}
