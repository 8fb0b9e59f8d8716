//! A mutex in shared memory that survives the death of its owner.
//!
//! It is a robust, process-shared, error-checking pthread mutex. When an owner dies the kernel
//! marks it, and the next `lock` gets `EOWNERDEAD`; it is made consistent at once, and what the
//! death means for the data is the caller's business.
//!
//! glibc keeps a list of the robust mutexes a thread holds, through pointers inside of them.
//! Unmapping a held one corrupts that list, so an [`Owned`] holds the mapping, and it is not
//! `Send`: only the thread that locked may unlock.
//!
//! # Overwritten
//!
//! A process that goes wild may write into a mutex. What pthreads does not know is an error here; who
//! asked for memory that is made of atomics goes on without the lock ([`lock_words`]) and finds by the words
//! what else is wrong. Two things nobody can find: a mutex that seems to be held by a thread that lives is
//! waited for, and glibc follows the pointers in a held one when it is unlocked.
//!
//! This is one of the crate's few files with unsafe code: it calls pthreads.

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock;
use crate::segment::Segment;

/// Bytes at the start of a segment that belong to the mutex.
pub(crate) const MUTEX_BYTES: usize = 64;

const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= MUTEX_BYTES);
const _: () = assert!(align_of::<libc::pthread_mutex_t>() <= MUTEX_BYTES);

/// The right to touch what the mutex protects, until dropped.
#[derive(Debug)]
pub(crate) struct Owned {
    /// The memory that holds the mutex.
    segment: Arc<Segment>,
    /// True when the owner before us died while it held the mutex.
    pub(crate) owner_died: bool,
    /// True when nothing is locked, see [`lock_words`].
    broken: bool,
    /// Only the locking thread may unlock.
    not_send: PhantomData<*const ()>,
}

/// How long to wait for the mutex.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Until it is free.
    Forever,
    /// Not at all.
    None,
    /// This long, by the monotonic clock, or by the wall clock where the C library cannot do better, see
    /// [`timed`].
    For(Duration),
}

/// Why a mutex was not locked.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// It was not free in time.
    Late,
    /// The calling thread holds it, or its memory says so.
    Own,
    /// Its memory says what cannot be; the error number.
    Broken(i32),
}

/// Makes the mutex of a fresh segment.
///
/// # Errors
/// The system has no robust, process-shared mutexes.
pub(crate) fn create(segment: &Segment) -> io::Result<()> {
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: `attributes` points to memory for the attributes.
    check(unsafe { libc::pthread_mutexattr_init(attributes) })?;
    let shared = libc::PTHREAD_PROCESS_SHARED;
    // SAFETY: `attributes` was initialised above.
    let shared = check(unsafe { libc::pthread_mutexattr_setpshared(attributes, shared) });
    let robust = libc::PTHREAD_MUTEX_ROBUST;
    // SAFETY: as above.
    let robust = check(unsafe { libc::pthread_mutexattr_setrobust(attributes, robust) });
    let kind = libc::PTHREAD_MUTEX_ERRORCHECK;
    // SAFETY: as above.
    let kind = check(unsafe { libc::pthread_mutexattr_settype(attributes, kind) });
    let made = shared.and(robust).and(kind).and_then(|()| {
        // SAFETY: the segment has room for a mutex at its page-aligned start, nobody else knows
        // the segment yet, and the attributes are initialised.
        check(unsafe { libc::pthread_mutex_init(raw(segment), attributes) })
    });
    // SAFETY: `attributes` was initialised and is not used afterwards.
    let destroyed = check(unsafe { libc::pthread_mutexattr_destroy(attributes) });
    made.and(destroyed)
}

/// Locks the mutex of a segment that `create` prepared. None: it was not free in time.
///
/// # Panics
/// If the calling thread already holds it: waiting would never end. And if some process has overwritten
/// its memory: there is no way to have what it protects for oneself.
pub(crate) fn lock(segment: &Arc<Segment>, patience: Patience) -> Option<Owned> {
    match try_lock(segment, patience) {
        Ok(owned) => Some(owned),
        Err(Failure::Late) => None,
        Err(Failure::Own) => {
            panic!("this thread already holds the lock; waiting would never end")
        }
        Err(Failure::Broken(code)) => panic!(
            "some process has overwritten the memory of the lock: {}",
            io::Error::from_raw_os_error(code)
        ),
    }
}

/// As [`lock`], for those whose memory consists of atomics, and who run no code of others meanwhile: it
/// does not panic, so a process that goes wild takes none of their threads with it. When the mutex has been
/// overwritten nothing is locked, and the [`Owned`] says so: then words say what they say, and
/// nobody reads or writes bytes, or takes any for read.
pub(crate) fn lock_words(segment: &Arc<Segment>, patience: Patience) -> Option<Owned> {
    match try_lock(segment, patience) {
        Ok(owned) => Some(owned),
        Err(Failure::Late) => None,
        Err(Failure::Own | Failure::Broken(_)) => {
            let (segment, not_send) = (Arc::clone(segment), PhantomData);
            Some(Owned { segment, owner_died: false, broken: true, not_send })
        }
    }
}

/// Locks the mutex of a segment.
fn try_lock(segment: &Arc<Segment>, patience: Patience) -> Result<Owned, Failure> {
    let mutex = raw(segment);
    let code = match patience {
        // SAFETY: the mutex was made by `create` and is mapped as long as `segment` lives.
        Patience::Forever => unsafe { libc::pthread_mutex_lock(mutex) },
        // SAFETY: as above.
        Patience::None => unsafe { libc::pthread_mutex_trylock(mutex) },
        Patience::For(time) => timed(segment, time),
    };
    let owner_died = match code {
        0 => false,
        libc::EOWNERDEAD => {
            // SAFETY: we hold the mutex, in the inconsistent state that this call ends.
            let code = unsafe { libc::pthread_mutex_consistent(mutex) };
            debug_assert_eq!(code, 0, "we hold it and its owner died");
            true
        }
        libc::EBUSY | libc::ETIMEDOUT => return Err(Failure::Late),
        libc::EDEADLK => return Err(Failure::Own),
        code => return Err(Failure::Broken(code)),
    };
    let (segment, not_send) = (Arc::clone(segment), PhantomData);
    Ok(Owned { segment, owner_died, broken: false, not_send })
}

/// Waits so long for the mutex of a segment; what pthreads says to that.
///
/// A wait by the wall clock takes an hour longer when that is set back by an hour. `glibc` has one by the
/// monotonic clock from 2.30 on, which is looked for when it is needed, as the program may run with an
/// older one.
fn timed(segment: &Segment, time: Duration) -> i32 {
    let mutex = raw(segment);
    if let Some(clock_lock) = clock_lock() {
        let until = time_after(Duration::from_nanos(clock::now_ns()), time);
        // SAFETY: the mutex was made by `create` and is mapped as long as `segment` lives; `until` is a valid
        // time that outlives the call; the clock is one of the two that it knows.
        return unsafe { clock_lock(mutex, libc::CLOCK_MONOTONIC, &raw const until) };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = time_after(now, time);
    // SAFETY: as above.
    unsafe { libc::pthread_mutex_timedlock(mutex, &raw const until) }
}

/// `pthread_mutex_clocklock`, which `libc` lacks.
type ClockLock = unsafe extern "C" fn(
    *mut libc::pthread_mutex_t,
    libc::clockid_t,
    *const libc::timespec,
) -> libc::c_int;

/// `pthread_mutex_clocklock`, if this program runs with a C library that has it.
fn clock_lock() -> Option<ClockLock> {
    static FOUND: OnceLock<Option<ClockLock>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let name = c"pthread_mutex_clocklock";
        // SAFETY: the name ends with a zero byte.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        let found = NonNull::new(found)?.as_ptr();
        // SAFETY: under that name there is a function of this type, in each C library that has one.
        Some(unsafe { std::mem::transmute::<*mut libc::c_void, ClockLock>(found) })
    })
}

impl Owned {
    /// True when nothing is locked, as the mutex has been overwritten; only [`lock_words`] says so.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The memory that holds the mutex and what it protects.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.broken {
            return;
        }
        // SAFETY: this thread locked it (`Owned` is not `Send`), or is the copy of one that did, which an
        // error-checking mutex refuses; the mapping is alive.
        let code = unsafe { libc::pthread_mutex_unlock(raw(&self.segment)) };
        // Or a copy in a child that was forked: that owns nothing, and is told so.
        let done = matches!(code, 0 | libc::EPERM);
        // Or some process has overwritten it meanwhile, which is found by the next one.
        let spoiled = matches!(code, libc::EINVAL | libc::ENOTRECOVERABLE);
        debug_assert!(done || spoiled, "only the owner holds an `Owned`, but it is {code}");
    }
}

/// The mutex at the start of a segment.
fn raw(segment: &Segment) -> *mut libc::pthread_mutex_t {
    debug_assert!(segment.len() >= MUTEX_BYTES, "every user reserves room for the mutex");
    segment.at(0).as_ptr().cast()
}

/// An error number as a result.
fn check(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// The time so long after `now`; a time too far away becomes 68 years.
fn time_after(now: Duration, time: Duration) -> libc::timespec {
    let until = now.saturating_add(time.min(Duration::from_secs(i32::MAX.unsigned_abs().into())));
    libc::timespec {
        tv_sec: libc::time_t::try_from(until.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: until.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    use super::*;

    /// Memory with a mutex.
    fn memory() -> Arc<Segment> {
        let segment = Segment::create(2 * MUTEX_BYTES).unwrap();
        create(&segment).unwrap();
        segment
    }

    #[test]
    fn a_wait_takes_as_long_as_it_is_to() {
        let segment = memory();
        let _held = lock(&segment, Patience::Forever).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (begin, limit) = (Instant::now(), Duration::from_millis(40));
                assert!(lock(&segment, Patience::For(limit)).is_none());
                assert!(begin.elapsed() >= limit);
                assert!(lock_words(&segment, Patience::For(Duration::ZERO)).is_none());
            });
        });
        assert!(clock_lock().is_some() || cfg!(not(target_env = "gnu")), "since glibc 2.30");
    }

    #[test]
    fn a_mutex_that_was_overwritten_is_not_waited_for() {
        // All of it; and the owner that says that nobody can have it any more, with nobody in it.
        for all in [true, false] {
            let segment = memory();
            if all {
                (0..8).for_each(|word| segment.atomic_u64(word).store(u64::MAX, Ordering::Relaxed));
            } else {
                segment.atomic_u32(2).store(i32::MAX.unsigned_abs() - 1, Ordering::Relaxed);
            }
            for patience in [Patience::Forever, Patience::None, Patience::For(Duration::ZERO)] {
                let owned = lock_words(&segment, patience).expect("nobody has it");
                assert!(owned.is_broken(), "{all} {patience:?}");
                drop(owned);
                let panics = std::panic::AssertUnwindSafe(|| lock(&segment, patience));
                assert!(std::panic::catch_unwind(panics).is_err(), "{all} {patience:?}");
            }
        }
        let segment = memory();
        let owned = lock_words(&segment, Patience::Forever).unwrap();
        assert!(!owned.is_broken() && lock_words(&segment, Patience::Forever).unwrap().is_broken());
    }
}
