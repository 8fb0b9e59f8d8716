//! Functions as numbers: the offset from a base symbol, valid in every process that runs the
//! same image.
//!
//! Position-independent programs are mapped at a different address in each process, but the
//! distance between two functions of one image is fixed when it is linked. So a function travels
//! as its distance from [`anchor`], and a worker accepts a number only when it falls into the
//! executable part of its own image. The handshake compares [`Image::fingerprint`]s: offsets
//! between different builds mean nothing.
//!
//! This is one of the crate's few files with unsafe code: it reads the program headers.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::LazyLock;

use libc::{Elf64_Phdr, PF_X, PT_LOAD, PT_NOTE, dl_iterate_phdr, dl_phdr_info};

/// The base symbol. Its body only keeps it from being merged with another function.
#[inline(never)]
fn anchor() -> &'static str {
    "triptych processes: base symbol"
}

/// The image of this program that holds the crate itself.
static IMAGE: LazyLock<Image> = LazyLock::new(Image::read);

/// What has to be known about the running image.
#[derive(Debug, Default)]
struct Image {
    /// Executable address ranges.
    code: Vec<Range<usize>>,
    /// Hash of the build id, of the layout and of where the base symbol is.
    fingerprint: u64,
}

/// A function's distance from the base symbol, or `None` when it is not part of this image (it
/// comes from a shared library, which may be mapped elsewhere in a worker).
pub(crate) fn offset_of(address: usize) -> Option<i64> {
    let distance = address.wrapping_sub(base()).cast_signed();
    let inside = IMAGE.code.iter().any(|range| range.contains(&address));
    inside.then(|| i64::try_from(distance).expect("a 64-bit address difference"))
}

/// The address that `offset` means in this process, if it is code of this image.
pub(crate) fn address_of(offset: i64) -> Option<usize> {
    let distance = isize::try_from(offset).ok()?;
    let address = base().wrapping_add_signed(distance);
    IMAGE.code.iter().any(|range| range.contains(&address)).then_some(address)
}

/// Equal in two processes only if they run the same build of the same program.
pub(crate) fn fingerprint() -> u64 {
    IMAGE.fingerprint
}

/// Where the base symbol is in this process.
fn base() -> usize {
    anchor as *const () as usize
}

impl Image {
    /// Finds the image that holds the base symbol.
    fn read() -> Self {
        let mut image = Self::default();
        // SAFETY: the callback matches the signature that is asked for, does not unwind (it
        // neither allocates unboundedly nor calls user code), and `data` points to `image`,
        // which outlives the call.
        unsafe { dl_iterate_phdr(Some(visit), (&raw mut image).cast()) };
        assert!(!image.code.is_empty(), "this code runs, so some loaded image holds it");
        image
    }
}

/// Looks at one loaded image; a return of 1 ends the walk.
unsafe extern "C" fn visit(info: *mut dl_phdr_info, _size: usize, data: *mut c_void) -> i32 {
    // SAFETY: the dynamic linker passes a valid description for the duration of the call.
    let info = unsafe { &*info };
    // SAFETY: `data` is the `Image` that `Image::read` passed, and nobody else refers to it.
    let image = unsafe { &mut *data.cast::<Image>() };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the dynamic linker says that `dlpi_phnum` headers follow one another there.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let load = |header: &Elf64_Phdr| {
        let start = to_usize(info.dlpi_addr.wrapping_add(header.p_vaddr));
        start..start.saturating_add(to_usize(header.p_memsz))
    };
    let code: Vec<_> = headers
        .iter()
        .filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_X != 0)
        .map(load)
        .collect();
    if !code.iter().any(|range| range.contains(&base())) {
        return 0;
    }
    let mut hash = Fnv::new();
    hash.add(&base().wrapping_sub(to_usize(info.dlpi_addr)).to_le_bytes());
    for header in headers {
        hash.add(&header.p_vaddr.to_le_bytes());
        hash.add(&header.p_memsz.to_le_bytes());
        if header.p_type == PT_NOTE {
            let note = load(header);
            // SAFETY: a note segment of a loaded image is mapped and readable in whole (it lies
            // inside a loadable segment), and nobody writes to it.
            hash.add(unsafe { std::slice::from_raw_parts(note.start as *const u8, note.len()) });
        }
    }
    image.code = code;
    image.fingerprint = hash.0;
    1
}

/// An ELF address or size as a native one.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("addresses of the running program fit into a pointer")
}

/// The FNV-1a hash: a fingerprint, not a defence.
struct Fnv(u64);

impl Fnv {
    /// The empty hash.
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes.
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_survives_the_trip_through_its_offset() {
        let address = a_function_survives_the_trip_through_its_offset as *const () as usize;
        assert_eq!(address_of(offset_of(address).unwrap()), Some(address));
    }

    #[test]
    fn data_and_foreign_code_have_no_offset() {
        let local = 0_u8;
        assert_eq!(offset_of(&raw const local as usize), None);
        assert_eq!(address_of(i64::MAX), None);
    }
}
