//! A slab for one thread that grows by doubling and never moves what it holds.
//!
//! Chunk 0 holds 64 elements and each further chunk twice as many as the one before, so an element's
//! address is stable. With 64 added to its index, the highest bit tells the chunk and the others the
//! place: finding an element takes a handful of instructions, which matters, as each wake-up and each
//! poll does so more than once. Elements are made one by one, when they are first asked for, so that
//! the half of the last chunk that nobody has used takes no memory.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

const FIRST_BITS: u32 = 6;
/// How many chunks there are at most.
pub(crate) const CHUNKS: usize = 18;
/// How many elements all chunks hold together.
pub(crate) const CAPACITY: u32 = (64 << CHUNKS) - 64;

/// The chunk of element `index` and its place in the chunk.
#[inline]
pub(crate) fn locate(index: u32) -> (usize, usize) {
    let shifted = index + (1 << FIRST_BITS);
    let chunk = chunk_of(shifted);
    (chunk, shifted as usize - size_of_chunk(chunk))
}

/// The chunk of the element with this index, to which 64 was added.
#[inline]
fn chunk_of(shifted: u32) -> usize {
    // The lowest bit changes nothing, and tells the compiler that there is one.
    ((31 - FIRST_BITS) - (shifted | 1).leading_zeros()) as usize
}

/// How many elements chunk `chunk` holds.
pub(crate) fn size_of_chunk(chunk: usize) -> usize {
    1 << (FIRST_BITS as usize + chunk)
}

/// Such a slab. Elements are reached by shared reference and hold `Cell`s.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// For each chunk that has been made, where its element with the index 0, 64 added as above,
    /// would lie: so many elements before the chunk as it holds. Null for the others.
    bases: [Cell<*const T>; CHUNKS],
    /// Elements below this one have been made.
    len: Cell<u32>,
    /// It owns them.
    elements: PhantomData<T>,
}

impl<T: Default> Chunks<T> {
    pub(crate) fn new() -> Self {
        Self {
            bases: [const { Cell::new(ptr::null()) }; CHUNKS],
            len: Cell::new(0),
            elements: PhantomData,
        }
    }

    /// Element `index`, made with `T::default` if need be, as are those before it.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`CAPACITY`].
    #[inline]
    pub(crate) fn get(&self, index: u32) -> &T {
        if index >= self.len.get() {
            self.grow(index);
        }
        // SAFETY: `grow` has made what `len` does not cover.
        unsafe { self.made(index) }
    }

    /// Element `index`, if it has been made.
    #[inline]
    pub(crate) fn find(&self, index: u32) -> Option<&T> {
        // SAFETY: it is below `len`.
        (index < self.len.get()).then(|| unsafe { self.made(index) })
    }

    /// Element `index`.
    ///
    /// # Safety
    ///
    /// It has been made: `index` is below `len`.
    #[inline]
    unsafe fn made(&self, index: u32) -> &T {
        let shifted = index + (1 << FIRST_BITS);
        // SAFETY: `len` is at most `CAPACITY`, so the chunk is one of them.
        let base = unsafe { self.bases.get_unchecked(chunk_of(shifted)) };
        // SAFETY: `grow` has stored a base from which so many elements further there is an element
        // that is initialised and aligned, in an allocation that is freed by `drop` only. All
        // references to it are shared ones.
        unsafe { &*base.get().wrapping_add(shifted as usize) }
    }

    /// Makes all elements up to this one.
    #[cold]
    fn grow(&self, index: u32) {
        assert!(index < CAPACITY, "a slab holds at most {CAPACITY} elements");
        for new in self.len.get()..=index {
            let (chunk, place) = locate(new);
            let base = &self.bases[chunk];
            let size = size_of_chunk(chunk);
            if place == 0 {
                let memory: Box<[MaybeUninit<T>]> = Box::new_uninit_slice(size);
                base.set(Box::into_raw(memory).cast::<T>().cast_const().wrapping_sub(size));
            }
            let element = base.get().wrapping_add(size + place).cast_mut();
            // SAFETY: it lies in the chunk, which was allocated for elements like this one, and nobody
            // has a reference to it, as `len` does not cover it.
            unsafe { element.write(T::default()) };
            self.len.set(new + 1);
        }
    }
}

impl<T> Drop for Chunks<T> {
    fn drop(&mut self) {
        let len = self.len.get() as usize;
        for (chunk, base) in self.bases.iter().enumerate() {
            if base.get().is_null() {
                return;
            }
            let size = size_of_chunk(chunk);
            let elements = base.get().wrapping_add(size).cast_mut();
            // The chunks before this one hold 64 elements less than this one.
            let made = (len + size_of_chunk(0) - size).min(size);
            // SAFETY: the chunk's first `made` elements are initialised; nobody borrows them.
            unsafe { ptr::slice_from_raw_parts_mut(elements, made).drop_in_place() };
            let memory = ptr::slice_from_raw_parts_mut(elements.cast::<MaybeUninit<T>>(), size);
            // SAFETY: this is what `grow` took out of a box of this length; it is taken back once.
            drop(unsafe { Box::from_raw(memory) });
        }
    }
}

#[cfg(test)]
mod tests;
