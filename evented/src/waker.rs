//! Wakers that are names: clone is a copy, drop is nothing, `will_wake` is one comparison.
//!
//! The data pointer of the [`RawWaker`] is never dereferenced: it carries the 64 bits of a [`Name`].
//! A waker therefore owns nothing and may outlive its task and its reactor by any length of time.

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::name::Name;
use crate::{current, mailbox};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a name needs a 64-bit pointer to travel in a waker");

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop_nothing);

/// The waker of the task called `name`.
#[inline]
pub(crate) fn of(name: Name) -> Waker {
    // SAFETY: `Waker::new` asks that data and vtable uphold the `RawWaker` contract:
    // - `clone`, `wake`, `wake_by_ref` and `drop` may be called from any thread: they read only the
    //   pointer's value, a plain integer, and go through `wake_name`, which is safe code.
    // - `clone` yields a `RawWaker` for the same task: the same bits with the same vtable.
    // - `wake` may consume and `drop` must release what the waker owns: it owns nothing.
    unsafe { Waker::new(data(name), &VTABLE) }
}

/// The name inside a waker; none if the waker was not made here.
#[inline]
pub(crate) fn name_in(waker: &Waker) -> Option<Name> {
    ptr::eq(waker.vtable(), &raw const VTABLE).then(|| Name::from_bits(waker.data().addr() as u64))
}

/// Schedules the task called `name`, from whatever thread this is. Does nothing if it is gone.
///
/// On the reactor's own thread this is a push to an intrusive queue and touches no atomic.
#[inline]
pub(crate) fn wake_name(name: Name) {
    if !current::wake(name) {
        mailbox::wake(name);
    }
}

fn data(name: Name) -> *const () {
    #[expect(clippy::cast_possible_truncation, reason = "the crate builds for 64 bits only")]
    let address = name.bits() as usize;
    ptr::without_provenance(address)
}

/// Only ever called through `VTABLE`, with a pointer made by `data`. It reads the pointer's value
/// alone, so it is sound for any pointer.
unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

/// Serves as `wake` and `wake_by_ref`, which are the same for a waker that owns nothing. Sound for
/// any pointer, as `clone` is.
unsafe fn wake(data: *const ()) {
    wake_name(Name::from_bits(data.addr() as u64));
}

unsafe fn drop_nothing(_data: *const ()) {}
