//! Shared memory: a memfd mapped in every process that has its descriptor, and sealed payloads.
//!
//! Nothing here has a name in a file system, so nothing can be left behind.
//!
//! This is one of the crate's few files with unsafe code: it owns the mappings.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::rand::{GetRandomFlags, getrandom};

/// What names a segment in every process: random, so that ids from different processes agree
/// without asking anybody.
pub(crate) type SegmentId = u128;

/// Every segment that lives in this process, made here or received.
static LIVE: LazyLock<Mutex<HashMap<SegmentId, Weak<Segment>>>> =
    LazyLock::new(|| Mutex::new(HashMap::new()));

/// A fixed-size piece of memory shared between processes.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its name.
    id: SegmentId,
    /// The memfd; sealed against a change of size, so that the mapping stays backed.
    fd: OwnedFd,
    /// Where it is mapped here, page-aligned.
    base: NonNull<u8>,
    /// Its size in bytes; never zero.
    len: usize,
}

// SAFETY: a segment is plain memory that outlives its mapping's users (they hold an `Arc`), and
// everything here hands out only atomics or raw pointers whose users synchronise.
unsafe impl Send for Segment {}
// SAFETY: as above; `&Segment` gives no unsynchronised access.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a zeroed segment of `len` bytes.
    ///
    /// # Errors
    /// No descriptor or no memory is left.
    pub(crate) fn create(len: usize) -> io::Result<Arc<Self>> {
        let fd = new_memfd(len)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Self::map(random_id()?, fd, len)
    }

    /// Maps a segment that another process made. A second arrival of the same id gives the
    /// mapping that is already here.
    ///
    /// # Errors
    /// The descriptor is not a memfd sealed against shrinking, or cannot be mapped.
    pub(crate) fn adopt(id: SegmentId, fd: OwnedFd) -> io::Result<Arc<Self>> {
        if let Some(segment) = Self::find(id) {
            return Ok(segment);
        }
        let len = sealed_len(fd.as_fd(), SealFlags::SHRINK)?;
        Self::map(id, fd, len)
    }

    /// The segment called `id`, if it is mapped in this process.
    pub(crate) fn find(id: SegmentId) -> Option<Arc<Self>> {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).get(&id).and_then(Weak::upgrade)
    }

    /// Maps `fd` and enters it into the table of live segments.
    fn map(id: SegmentId, fd: OwnedFd, len: usize) -> io::Result<Arc<Self>> {
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses a free address range, so nothing that exists is replaced.
        let base = unsafe { mmap(std::ptr::null_mut(), len, flags, MapFlags::SHARED, &fd, 0) }?;
        let base = NonNull::new(base.cast()).expect("mmap does not map the null page");
        let segment = Arc::new(Self { id, fd, base, len });
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::downgrade(&segment));
        Ok(segment)
    }

    /// Its name.
    pub(crate) fn id(&self) -> SegmentId {
        self.id
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The descriptor, to be sent to another process.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The address of the byte at `offset`.
    ///
    /// # Panics
    /// If `offset` is outside.
    pub(crate) fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.len, "offset {offset} is outside of {} bytes", self.len);
        // SAFETY: `base` points to `len` mapped bytes and `offset` is less than `len`.
        unsafe { self.base.add(offset) }
    }

    /// The `index`th 8-byte word.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn atomic_u64(&self, index: usize) -> &AtomicU64 {
        let at = self.at(index * 8 + 7).as_ptr().wrapping_sub(7);
        // SAFETY: the 8 bytes are inside the mapping (`at` checked the last one), aligned
        // because the base is page-aligned, live as long as `self`, and every process touches
        // this word by atomics only.
        unsafe { AtomicU64::from_ptr(at.cast()) }
    }

    /// The `index`th 4-byte word.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn atomic_u32(&self, index: usize) -> &AtomicU32 {
        let at = self.at(index * 4 + 3).as_ptr().wrapping_sub(3);
        // SAFETY: as for `atomic_u64`, with 4 bytes.
        unsafe { AtomicU32::from_ptr(at.cast()) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        // The id may belong to a newer mapping that was adopted after our count reached zero.
        if live.get(&self.id).is_some_and(|entry| entry.strong_count() == 0) {
            live.remove(&self.id);
        }
        drop(live);
        // SAFETY: the range was mapped by `map`, and nobody can hold a pointer into it any more:
        // pointers are used only while the user holds an `Arc` of this segment.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping a mapped range succeeds");
    }
}

/// Bytes in a memfd that nobody can change any more: how a large payload travels.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Where they are mapped, read-only; dangling when there are none.
    base: NonNull<u8>,
    /// How many.
    len: usize,
}

// SAFETY: the bytes are immutable: the memfd carries a write seal, checked when it was mapped.
unsafe impl Send for Sealed {}
// SAFETY: as above.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// A sealed memfd that holds a copy of `bytes`.
    ///
    /// # Errors
    /// No descriptor or no memory is left.
    pub(crate) fn write(bytes: &[u8]) -> io::Result<OwnedFd> {
        let fd = new_memfd(bytes.len())?;
        let mut written = 0;
        while written < bytes.len() {
            let offset = u64::try_from(written).expect("a length fits into 64 bits");
            match rustix::io::pwrite(&fd, &bytes[written..], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals)?;
        Ok(fd)
    }

    /// Maps what another process wrote.
    ///
    /// # Errors
    /// The descriptor is not a memfd sealed against writing, or cannot be mapped.
    pub(crate) fn map(fd: &OwnedFd) -> io::Result<Self> {
        let len = sealed_len(fd.as_fd(), SealFlags::SHRINK | SealFlags::WRITE)?;
        // SAFETY: the kernel chooses a free address range, so nothing that exists is replaced.
        let base =
            unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, fd, 0) }?;
        Ok(Self { base: NonNull::new(base.cast()).expect("mmap does not map null"), len })
    }
}

impl std::ops::Deref for Sealed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped at `base` for as long as `self` lives; the seals say
        // that no process can write them or cut the file.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and no slice of it outlives `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping a mapped range succeeds");
    }
}

/// A memfd of `len` bytes that may be sealed.
fn new_memfd(len: usize) -> io::Result<OwnedFd> {
    let fd = memfd_create("processes", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let len = u64::try_from(len).expect("a length fits into 64 bits");
    ftruncate(&fd, len)?;
    Ok(fd)
}

/// The size of a memfd that carries `seals`.
fn sealed_len(fd: BorrowedFd<'_>, seals: SealFlags) -> io::Result<usize> {
    if !fcntl_get_seals(fd)?.contains(seals) {
        let message = "the received descriptor is not sealed";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    usize::try_from(fstat(fd)?.st_size)
        .ok()
        .filter(|&len| len > 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the memfd is empty"))
}

/// A name nobody else has.
pub(crate) fn random_id() -> io::Result<SegmentId> {
    let mut bytes = [0_u8; 16];
    // Up to 256 bytes arrive whole once the kernel's generator is seeded (getrandom(2)).
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u128::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_arrival_gives_the_same_mapping() {
        let made = Segment::create(100).unwrap();
        let again = Segment::adopt(made.id(), made.fd().try_clone_to_owned().unwrap()).unwrap();
        assert!(Arc::ptr_eq(&made, &again));
        let id = made.id();
        drop((made, again));
        assert!(Segment::find(id).is_none());
    }

    #[test]
    fn an_unsealed_payload_is_refused() {
        let fd = new_memfd(10).unwrap();
        assert!(Sealed::map(&fd).is_err());
        assert_eq!(&*Sealed::map(&Sealed::write(b"bytes").unwrap()).unwrap(), b"bytes");
    }
}
