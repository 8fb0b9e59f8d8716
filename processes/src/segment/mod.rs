//! Shared memory: a memfd mapped in every process that has its descriptor; and [sealed](Sealed) payloads.
//!
//! Nothing here has a name in a file system, so nothing can be left behind.
//!
//! This is one of the crate's few files with unsafe code: it owns the mappings.

mod farewell;
mod sealed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate,
    memfd_create, open,
};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::process::{Resource, getrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::life::Home;
use crate::shortage;

pub(crate) use farewell::{Listener, listen};
pub(crate) use sealed::Sealed;

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
    /// What can be done with it here.
    rights: Rights,
    /// Where it was mapped: not a process that was forked there.
    home: Home,
    /// Set when a worker of this process has got it.
    sent: AtomicBool,
}

/// What can be done with a segment in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    /// Everybody who has it may write.
    Write,
    /// Nobody can write to it any more.
    Frozen,
    /// Others may write.
    View,
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
        Self::create_sealed(len, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
    }

    /// Makes a zeroed segment of `len` bytes that can be frozen.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) fn create_freezable(len: usize) -> io::Result<Arc<Self>> {
        Self::create_sealed(len, SealFlags::SHRINK | SealFlags::GROW)
    }

    /// Makes a segment that nobody else knows yet.
    fn create_sealed(len: usize, seals: SealFlags) -> io::Result<Arc<Self>> {
        let fd = new_memfd(len)?;
        fcntl_add_seals(&fd, seals)?;
        Self::map(random_id()?, fd, len, Rights::Write)
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
        let frozen = fcntl_get_seals(&fd)?.contains(SealFlags::WRITE);
        let rights = if frozen { Rights::Frozen } else { Rights::Write };
        Ok(Self::map_alone(id, fd, len, rights)?.enter_once())
    }

    /// Maps a segment that another process made, for reading only, whatever the descriptor allows.
    ///
    /// # Errors
    /// As [`adopt`](Self::adopt).
    pub(crate) fn view(id: SegmentId, fd: OwnedFd) -> io::Result<Arc<Self>> {
        let len = sealed_len(fd.as_fd(), SealFlags::SHRINK)?;
        Self::map(id, fd, len, Rights::View)
    }

    /// A descriptor through which the segment can be read and not written.
    ///
    /// # Errors
    /// No descriptor is left, or there is no `/proc`.
    pub(crate) fn reading_end(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The segment called `id`, if it is mapped in this process.
    pub(crate) fn find(id: SegmentId) -> Option<Arc<Self>> {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).get(&id).and_then(Weak::upgrade)
    }

    /// Maps `fd` and enters it into the table of live segments.
    fn map(id: SegmentId, fd: OwnedFd, len: usize, rights: Rights) -> io::Result<Arc<Self>> {
        Ok(Self::map_alone(id, fd, len, rights)?.enter())
    }

    /// Maps `fd`.
    fn map_alone(id: SegmentId, fd: OwnedFd, len: usize, rights: Rights) -> io::Result<Self> {
        let (protection, flags) = access(rights);
        // SAFETY: the kernel chooses a free address range, so nothing that exists is replaced.
        let base = unsafe { mmap(std::ptr::null_mut(), len, protection, flags, &fd, 0) }?;
        let base = NonNull::new(base.cast()).expect("mmap does not map the null page");
        let (home, sent) = (Home::here(), AtomicBool::new(false));
        Ok(Self { id, fd, base, len, rights, home, sent })
    }

    /// Enters it into the table of live segments.
    fn enter(self) -> Arc<Self> {
        let segment = Arc::new(self);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(segment.id, Arc::downgrade(&segment));
        drop(live);
        segment
    }

    /// As [`enter`](Self::enter), unless one of that name has got there first: then it is that one. No
    /// name has two mappings that go round.
    fn enter_once(self) -> Arc<Self> {
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = live.get(&self.id).and_then(Weak::upgrade) {
            // Its drop asks for the table.
            drop(live);
            return first;
        }
        let segment = Arc::new(self);
        live.insert(segment.id, Arc::downgrade(&segment));
        drop(live);
        segment
    }

    /// Has the kernel refuse every later write, by whomever, and maps it again for reading, under
    /// another name: processes that know the old one may still have to be told that it is gone.
    ///
    /// # Errors
    /// It is used elsewhere in this process, or mapped for writing in another one. It comes back.
    pub(crate) fn freeze(segment: Arc<Self>) -> Result<Arc<Self>, (Arc<Self>, io::Error)> {
        let new_id = match random_id() {
            Ok(id) => id,
            Err(error) => return Err((segment, error)),
        };
        let mut segment = match Arc::try_unwrap(segment) {
            Ok(segment) => segment,
            Err(shared) => {
                let text = "this process has other handles of it, or a call that got one is not \
                            finished or its result was not taken; drop them, join the call";
                return Err((shared, io::Error::new(io::ErrorKind::ResourceBusy, text)));
            }
        };
        match segment.seal() {
            Ok(()) => {
                segment.leave();
                segment.id = new_id;
                Ok(segment.enter())
            }
            Err(error) => Err((segment.enter(), error)),
        }
    }

    /// Sets the seal, for which this process must not have it mapped for writing itself. The
    /// addresses stay reserved meanwhile, so that it can be mapped again in any case.
    fn seal(&mut self) -> io::Result<()> {
        let at = self.base.as_ptr().cast();
        let nothing = (ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::FIXED);
        // SAFETY: the range is our own mapping, to which nobody has a pointer: `&mut self`.
        unsafe { mmap_anonymous(at, self.len, nothing.0, nothing.1) }?;
        let sealed = fcntl_add_seals(&self.fd, SealFlags::WRITE | SealFlags::SEAL);
        self.rights = if sealed.is_ok() { Rights::Frozen } else { Rights::Write };
        let (protection, flags) = access(self.rights);
        let flags = flags | MapFlags::FIXED;
        // SAFETY: as above; the range holds the reservation.
        let mapped = unsafe { mmap(at, self.len, protection, flags, &self.fd, 0) };
        mapped.expect("the file was mapped in this place before, and its addresses are reserved");
        sealed.map_err(|error| match error {
            Errno::BUSY => {
                let text = "another process has it mapped for writing; wait until it has dropped \
                            its handles, or end it";
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            other => other.into(),
        })
    }

    /// Takes it out of the table of live segments, unless its name is that of a newer mapping.
    fn leave(&self) {
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if live.get(&self.id).is_some_and(|entry| entry.strong_count() == 0) {
            live.remove(&self.id);
        }
    }

    /// A worker of this process gets it.
    pub(crate) fn note_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// Whether a worker of this process has got it.
    #[cfg(test)]
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// True when nobody can write to it any more.
    pub(crate) fn is_frozen(&self) -> bool {
        self.rights == Rights::Frozen
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

    /// The address of the `len` bytes from `offset` on; at least one.
    ///
    /// # Panics
    /// If they are not all inside.
    pub(crate) fn span(&self, offset: usize, len: usize) -> NonNull<u8> {
        let end = offset.checked_add(len);
        let inside = len > 0 && end.is_some_and(|end| end <= self.len);
        assert!(inside, "{len} bytes at {offset} are outside of {} bytes", self.len);
        // SAFETY: as in `at`: `offset` is less than `len`, as there is a byte.
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
        // A child that was forked has a copy of the tables, which another thread may have had locked.
        if self.home.is_here() {
            // The id may belong to a newer mapping that was adopted after our count reached zero.
            self.leave();
            if *self.sent.get_mut() {
                farewell::tell(self.len);
            }
        }
        // SAFETY: the range was mapped by `map`, and nobody can hold a pointer into it any more:
        // pointers are used only while the user holds an `Arc` of this segment.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping a mapped range succeeds");
    }
}

/// How to map a segment. One that is frozen privately, which for reading is the same: up to Linux
/// 6.6 no shared mapping of such a memfd is allowed.
fn access(rights: Rights) -> (ProtFlags, MapFlags) {
    match rights {
        Rights::Write => (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED),
        Rights::Frozen => (ProtFlags::READ, MapFlags::PRIVATE),
        Rights::View => (ProtFlags::READ, MapFlags::SHARED),
    }
}

/// True for the memfd of a segment that can be frozen.
pub(crate) fn is_freezable(fd: BorrowedFd<'_>) -> bool {
    fcntl_get_seals(fd).is_ok_and(|seals| !seals.contains(SealFlags::SEAL))
}

/// A memfd of `len` bytes that may be sealed.
fn new_memfd(len: usize) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("processes", flags).map_err(|error| shortage::explain(error.into()))?;
    let len = u64::try_from(len).expect("a length fits into 64 bits");
    // It is counted as a file, and the kernel ends a process that makes one longer than it may.
    if let Some(most) = getrlimit(Resource::Fsize).current.filter(|&most| len > most) {
        let text = format!(
            "shared memory of {len} bytes: the files of this process, which it counts as, may have \
             {most} (`ulimit -f`)"
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
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
