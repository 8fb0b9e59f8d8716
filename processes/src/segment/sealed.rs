//! Bytes in a memfd of their own that nobody can change any more.
//!
//! This is one of the crate's few files with unsafe code: it owns the mappings.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{SealFlags, fcntl_add_seals};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{new_memfd, sealed_len};

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
                Err(Errno::INTR) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsealed_payload_is_refused() {
        let fd = new_memfd(10).unwrap();
        assert!(Sealed::map(&fd).is_err());
        assert_eq!(&*Sealed::map(&Sealed::write(b"bytes").unwrap()).unwrap(), b"bytes");
    }
}
