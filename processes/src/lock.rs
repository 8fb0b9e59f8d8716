//! A value in shared memory, one process at a time.
//!
//! This is one of the crate's few files with unsafe code: the value is reached through a pointer.

use std::any::TypeId;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult};
use std::time::Duration;
use std::{io, thread};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::life::Home;
use crate::robust::{self, MUTEX_BYTES, Owned, Patience};
use crate::scope;
use crate::segment::Segment;

/// Where the poison flag is, as an index of 4-byte words: after the mutex.
const POISON_WORD: usize = MUTEX_BYTES / 4;

/// Where the type of the value is noted, as an index of 8-byte words: behind the flag.
const TYPE_WORD: usize = MUTEX_BYTES / 8 + 1;

/// Where the value is: on a cache line of its own.
const VALUE_AT: usize = 2 * MUTEX_BYTES;

/// Plain data that several processes may read and write in shared memory.
///
/// It is implemented for integers, floats, `bool`, arrays and tuples of such. A `Vec`, a `String`
/// or a reference points into the memory of one process and cannot be shared:
///
/// ```compile_fail,E0277
/// let lock = processes::Lock::new(String::from("text"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Safety
/// - The type holds no pointer, reference, handle or address of any kind.
/// - Any bytewise mixture of valid values is a valid value: a process may be killed in the
///   middle of a write. (`bool` qualifies, because one byte is written or not; `char` does not.)
/// - Its alignment is at most 64.
pub unsafe trait Shared: Copy + Send + 'static {}

/// Implements [`Shared`] for types that qualify.
macro_rules! shared {
    ($($type:ty),*) => {$(
        // SAFETY: a number or flag without pointers; every mixture of the bytes of two values
        // is a value (for `bool`, of one byte, every mixture is one of the two).
        unsafe impl Shared for $type {}
    )*};
}

shared!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool, ());

// SAFETY: an array is its elements, one after the other.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// Implements [`Shared`] for tuples.
macro_rules! shared_tuples {
    ($(($($name:ident)+))*) => {$(
        // SAFETY: a tuple is its fields and padding; padding has no invalid content, and a
        // mixture of tuples is a tuple of mixtures. All processes run the same build, so they
        // agree about the layout.
        unsafe impl<$($name: Shared),+> Shared for ($($name,)+) {}
    )*};
}

shared_tuples!((A)(A B)(A B C)(A B C D)(A B C D E)(A B C D E F));

/// A value in shared memory that one process at a time may touch, with the interface of
/// `std::sync::Mutex`.
///
/// A clone is another handle of the same value. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error.
///
/// When the process that holds it is killed or its call panics, the lock is *poisoned*: `lock`
/// still gives access, inside of a [`PoisonError`]. It never stays locked.
///
/// **Not** guaranteed: fairness.
pub struct Lock<T> {
    /// Mutex, poison flag, type, value.
    segment: Arc<Segment>,
    /// Values of this type are reached through it.
    value: PhantomData<T>,
}

impl<T: Shared> Lock<T> {
    /// Puts `value` into new shared memory.
    ///
    /// # Errors
    /// No descriptors or memory are left.
    pub fn new(value: T) -> io::Result<Self> {
        const { assert!(align_of::<T>() <= MUTEX_BYTES, "the value's alignment is above 64") };
        let segment = Segment::create(VALUE_AT + size_of::<T>().max(1))?;
        robust::create(&segment)?;
        let at = segment.at(VALUE_AT).cast::<T>();
        // SAFETY: the segment has room for a `T` there, the address is a multiple of 64 and the
        // alignment at most that, and nobody else knows the segment yet.
        unsafe { at.write(value) };
        segment.atomic_u64(TYPE_WORD).store(type_tag::<T>(), Ordering::Relaxed);
        Ok(Self { segment, value: PhantomData })
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// The lock is poisoned; the guard is inside of the error.
    ///
    /// # Panics
    /// If this thread already holds it, or if some process has overwritten the mutex.
    pub fn lock(&self) -> LockResult<Guard<'_, T>> {
        let owned = robust::lock(&self.segment, Patience::Forever);
        Guard::checked(owned.expect("waiting for ever ends with the lock"))
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// `WouldBlock`, or the lock is poisoned; then the guard is inside of the error.
    ///
    /// # Panics
    /// As [`lock`](Self::lock).
    pub fn try_lock(&self) -> TryLockResult<Guard<'_, T>> {
        self.lock_with(Patience::None)
    }

    /// Waits for the lock, at most `timeout`, which a change of the wall clock neither shortens nor makes
    /// longer, if the C library can do that (glibc from 2.30 on).
    ///
    /// # Errors
    /// `WouldBlock` when the time is over, or the lock is poisoned; then the guard is inside of
    /// the error.
    ///
    /// # Panics
    /// As [`lock`](Self::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<Guard<'_, T>> {
        self.lock_with(Patience::For(timeout))
    }

    /// Takes the lock with bounded patience.
    fn lock_with(&self, patience: Patience) -> TryLockResult<Guard<'_, T>> {
        let owned = robust::lock(&self.segment, patience).ok_or(TryLockError::WouldBlock)?;
        Guard::checked(owned).map_err(TryLockError::Poisoned)
    }

    /// True when a holder died or panicked.
    pub fn is_poisoned(&self) -> bool {
        self.poison().load(Ordering::Relaxed) != 0
    }

    /// Declares the value good again.
    pub fn clear_poison(&self) {
        self.poison().store(0, Ordering::Relaxed);
    }

    /// The poison flag; written only by the holder, except to clear it.
    fn poison(&self) -> &AtomicU32 {
        self.segment.atomic_u32(POISON_WORD)
    }
}

/// The right to read and write the value of a [`Lock`], until dropped.
///
/// It stays in the thread that took it. It keeps the memory alive, also when it is forgotten.
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let lock = processes::Lock::new(0_u64)?;
/// send(lock.lock().unwrap());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard<'a, T: Shared> {
    /// The locked mutex; owns the mapping.
    owned: Owned,
    /// Was the thread already panicking? Then its panic says nothing about this value.
    panicking: bool,
    /// The process that has locked it: not one that was forked by it, whose panic says nothing either.
    home: Home,
    /// The handle that was locked.
    lock: PhantomData<&'a Lock<T>>,
}

impl<T: Shared> Guard<'_, T> {
    /// The guard for a mutex that was just locked.
    fn checked(owned: Owned) -> LockResult<Self> {
        let poison = owned.segment().atomic_u32(POISON_WORD);
        if owned.owner_died {
            poison.store(1, Ordering::Relaxed);
        }
        let poisoned = poison.load(Ordering::Relaxed) != 0;
        let (panicking, home) = (thread::panicking(), Home::here());
        let guard = Self { owned, panicking, home, lock: PhantomData };
        if poisoned { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }

    /// Unlocks, waits as `wait` does, and locks again.
    pub(crate) fn aside(self, wait: impl FnOnce()) -> LockResult<Self> {
        let segment = Arc::clone(self.owned.segment());
        drop(self);
        wait();
        let owned = robust::lock(&segment, Patience::Forever);
        Self::checked(owned.expect("waiting for ever ends with the lock"))
    }
}

impl<T: Shared> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let at = self.owned.segment().at(VALUE_AT).cast::<T>();
        // SAFETY: a valid, aligned `T` is there (written by `new` for this very type, which
        // `deserialize` has checked, and changed only through guards,
        // and `Shared` says that a cut write leaves a valid value), and while the mutex is held
        // nobody writes it except through this guard.
        unsafe { at.as_ref() }
    }
}

impl<T: Shared> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let mut at = self.owned.segment().at(VALUE_AT).cast::<T>();
        // SAFETY: as in `deref`, and `&mut self` excludes other borrows through this guard.
        unsafe { at.as_mut() }
    }
}

impl<T: Shared> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() && !self.panicking && self.home.is_here() {
            self.owned.segment().atomic_u32(POISON_WORD).store(1, Ordering::Relaxed);
        }
    }
}

impl<T> Clone for Lock<T> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), value: PhantomData }
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<T> Serialize for Lock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(&self.segment).map_err(serde::ser::Error::custom)?;
        serializer.serialize_u128(id)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de, T: Shared> Deserialize<'de> for Lock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive(id).map_err(serde::de::Error::custom)?;
        // A hand-written `Deserialize` may ask for another type than the one that was sent, and
        // the value of a `Lock<u8>` need not be a `bool`.
        let fits = segment.len() >= VALUE_AT + size_of::<T>().max(1);
        if !fits || segment.atomic_u64(TYPE_WORD).load(Ordering::Relaxed) != type_tag::<T>() {
            return Err(serde::de::Error::custom("the shared memory is no lock of this type"));
        }
        Ok(Self { segment, value: PhantomData })
    }
}

/// A number for the type, the same in every process that runs this build.
pub(crate) fn type_tag<T: 'static>() -> u64 {
    let mut hasher = DefaultHasher::new();
    TypeId::of::<T>().hash(&mut hasher);
    hasher.finish()
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("type", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}

impl<T: Shared + fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
