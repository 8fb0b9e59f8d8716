//! Memory of a record: a part of a file, which others can read, or memory of this process alone.
//!
//! This is one of the crate's few files with unsafe code: it owns the mappings. Everything else sees
//! atomic words, for which it does not matter who else reads, or even writes, them.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Mapped words, all of them 0 at first.
///
/// A part of a file must have its blocks: a page that the file system cannot provide is a `SIGBUS`. Who
/// has the right to make the file shorter could cause one, too; only this user has.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Page-aligned.
    base: NonNull<AtomicU64>,
    /// How many words; never 0.
    words: usize,
}

// SAFETY: a mapping belongs to no thread, and all that is reached through it is atomic.
unsafe impl Send for Mapping {}
// SAFETY: as above: `&Mapping` gives `&[AtomicU64]`, which is `Sync`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` of a file from `offset` on, both multiples of the page size.
    pub(super) fn of_file(file: BorrowedFd<'_>, offset: usize, bytes: usize) -> io::Result<Self> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        let offset = offset as u64;
        // SAFETY: the kernel chooses a free range of addresses, so nothing that exists is replaced.
        let base = unsafe { mmap(ptr::null_mut(), bytes, rights, MapFlags::SHARED, file, offset) }?;
        Ok(Self::new(base.cast(), bytes))
    }

    /// Maps memory of this process.
    pub(super) fn anonymous(bytes: usize) -> io::Result<Self> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as above.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), bytes, rights, MapFlags::PRIVATE) }?;
        Ok(Self::new(base.cast(), bytes))
    }

    fn new(base: *mut AtomicU64, bytes: usize) -> Self {
        let base = NonNull::new(base).expect("mmap does not map the null page");
        Self { base, words: bytes / size_of::<AtomicU64>() }
    }

    /// All words.
    #[inline]
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `slice::from_raw_parts` asks for
        // - a pointer that is not null and aligned: `base` is the start of a page;
        // - `words` initialised values in one allocation: the mapping has that many, the kernel has
        //   filled it with zeros or the file's bytes, and every bit pattern is an `AtomicU64`;
        // - no change while the slice lives, except inside of an `UnsafeCell`: atomics are some, and
        //   others who have the file mapped are bound to nothing more than that;
        // - less than `isize::MAX` bytes: the kernel maps no more;
        // - memory that stays as long as the slice: it is unmapped only in `drop`.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let bytes = self.words * size_of::<AtomicU64>();
        // SAFETY: the range is our own mapping, and all slices of it borrow from `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), bytes) };
        debug_assert!(unmapped.is_ok(), "a range that was mapped can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_are_there_and_shared_through_a_file() {
        let private = Mapping::anonymous(1 << 16).unwrap();
        assert_eq!(private.words().len(), 1 << 13);
        assert!(private.words().iter().all(|word| word.load(Ordering::Relaxed) == 0));
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 17).unwrap();
        let fd = std::os::fd::AsFd::as_fd(&file);
        let one = Mapping::of_file(fd, 1 << 16, 1 << 16).unwrap();
        let other = Mapping::of_file(fd, 0, 1 << 17).unwrap();
        one.words()[5].store(7, Ordering::Relaxed);
        assert_eq!(other.words()[(1 << 13) + 5].load(Ordering::Relaxed), 7);
    }
}
