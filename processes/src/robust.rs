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
//! This is one of the crate's few files with unsafe code: it calls pthreads.

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    /// This long, by the wall clock: pthreads knows no portable timed lock on another one.
    For(Duration),
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
/// If the calling thread already holds it: waiting would never end.
pub(crate) fn lock(segment: &Arc<Segment>, patience: Patience) -> Option<Owned> {
    let mutex = raw(segment);
    let code = match patience {
        // SAFETY: the mutex was made by `create` and is mapped as long as `segment` lives.
        Patience::Forever => unsafe { libc::pthread_mutex_lock(mutex) },
        // SAFETY: as above.
        Patience::None => unsafe { libc::pthread_mutex_trylock(mutex) },
        Patience::For(time) => {
            let until = wall_clock_in(time);
            // SAFETY: as above, and `until` is a valid time that outlives the call.
            unsafe { libc::pthread_mutex_timedlock(mutex, &raw const until) }
        }
    };
    let owner_died = match code {
        0 => false,
        libc::EOWNERDEAD => {
            // SAFETY: we hold the mutex, in the inconsistent state that this call ends.
            let code = unsafe { libc::pthread_mutex_consistent(mutex) };
            debug_assert_eq!(code, 0, "we hold it and its owner died");
            true
        }
        libc::EBUSY | libc::ETIMEDOUT => return None,
        libc::EDEADLK => panic!("this thread already holds the lock; waiting would never end"),
        code => panic!("locking failed: {}", io::Error::from_raw_os_error(code)),
    };
    Some(Owned { segment: Arc::clone(segment), owner_died, not_send: PhantomData })
}

impl Owned {
    /// The memory that holds the mutex and what it protects.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: this thread locked it (`Owned` is not `Send`), or is the copy of one that did, which an
        // error-checking mutex refuses; the mapping is alive.
        let code = unsafe { libc::pthread_mutex_unlock(raw(&self.segment)) };
        // Or a copy in a child that was forked: that owns nothing, and is told so.
        let done = matches!(code, 0 | libc::EPERM);
        debug_assert!(done, "only the owner holds an `Owned`, but it is {code}");
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

/// What the wall clock will say after `time`; a time too far away becomes 68 years.
fn wall_clock_in(time: Duration) -> libc::timespec {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = now.saturating_add(time.min(Duration::from_secs(i32::MAX.unsigned_abs().into())));
    libc::timespec {
        tv_sec: libc::time_t::try_from(until.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: until.subsec_nanos().into(),
    }
}
