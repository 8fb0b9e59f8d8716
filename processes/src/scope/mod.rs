//! Which handles may be serialised now: the codec's scope.
//!
//! A `Queue`, a `Lock` or another shared object is a number inside an encoded argument; the descriptor
//! behind it travels on the worker's control socket. That works only while the crate itself encodes or
//! decodes a call, so the handles' `Serialize` and `Deserialize` ask the scope of the current thread, and
//! outside of one they fail instead of producing a number that means nothing.

mod arrivals;
mod packing;

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::arena::freight::Brings;
use crate::arena::places::{Brought, Listed, Name, Places, list_bytes};
use crate::arena::{Arena, Keyed};
use crate::segment::{Segment, SegmentId};
use crate::unwind;

pub(crate) use arrivals::{NO_DESCRIPTOR, arrivals};
use packing::Packing;

/// What the current thread is doing with the codec.
enum Scope {
    /// The parent encodes an argument: what travels with it is collected.
    Argument(Luggage),
    /// A worker encodes a result: only handles that came from the parent may go back.
    Result,
    /// A call that brings these buffers is being decoded, or a result, which brings none; and whether
    /// there was no descriptor for the memory of a shared object.
    Decoding(Places, bool),
}

/// What is dropped when the call that it travels with has ended: it counts as an end of a channel
/// while the call is on its way, whoever else drops theirs.
pub(crate) type Keeper = Box<dyn Keep>;

/// Something whose drop changes shared memory.
pub(crate) trait Keep: fmt::Debug + Send {
    /// Does what the drop does, after which that waits for nobody. False, and nothing was done, when it
    /// would have to wait for a process that has the memory locked.
    fn let_go(&mut self) -> bool;
}

/// Drops what has travelled with a call. The threads of a pool wait for nobody: what is locked by a
/// process that is stopped (or slow) is dropped in a thread of its own. Nor does a panic come out of this.
pub(crate) fn release(keepers: Vec<Keeper>) {
    let mut locked = Vec::new();
    for mut one in keepers {
        // The first one that is locked takes a moment to be found so, and the rest does not.
        let let_go = AssertUnwindSafe(|| locked.is_empty() && one.let_go());
        match catch_unwind(let_go) {
            Ok(true) => discard(one),
            Ok(false) => locked.push(one),
            Err(payload) => {
                unwind::discard(payload);
                discard(one);
            }
        }
    }
    if !locked.is_empty() {
        // When no thread can be started, they are dropped here.
        let started = thread::Builder::new().name("releaser".to_owned()).spawn(|| drop(locked));
        drop(started);
    }
}

/// Drops something, and the panic of that drop.
fn discard(one: Keeper) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(one))) {
        unwind::discard(payload);
    }
}

/// What travels with an argument.
#[derive(Debug, Default)]
pub(crate) struct Luggage {
    /// The memory of shared objects, each once.
    pub(crate) handles: Vec<Arc<Segment>>,
    /// What is kept until the call has ended.
    pub(crate) keepers: Vec<Keeper>,
    /// The buffers, each once, until [`brought`](Self::brought) makes keepers of them.
    buffers: Packing,
    /// The arena of the pool that the argument goes to.
    arena: Option<Arc<Arena>>,
}

thread_local! {
    /// The innermost scope of this thread.
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Puts the outer scope back when dropped, also while unwinding.
struct Restore {
    /// The scope that was in force before.
    outer: Option<Scope>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        let outer = self.outer.take();
        SCOPE.with(|current| *current.borrow_mut() = outer);
    }
}

/// Runs `f` with `scope` in force; gives back the scope as `f` left it.
fn with<T>(scope: Scope, f: impl FnOnce() -> T) -> (T, Option<Scope>) {
    let outer = SCOPE.with(|current| current.borrow_mut().replace(scope));
    let restore = Restore { outer };
    let value = f();
    let inner = SCOPE.with(|current| current.borrow_mut().take());
    drop(restore);
    (value, inner)
}

/// Encodes an argument with `f` and tells what travels with it.
///
/// `arena` is that of the pool that the argument goes to.
pub(crate) fn encoding_argument<T>(
    arena: Option<&Arc<Arena>>,
    f: impl FnOnce() -> T,
) -> (T, Luggage) {
    let luggage = Luggage { arena: arena.cloned(), ..Luggage::default() };
    match with(Scope::Argument(luggage), f) {
        (value, Some(Scope::Argument(luggage))) => (value, luggage),
        (value, _) => (value, Luggage::default()),
    }
}

/// Encodes a result with `f`.
pub(crate) fn encoding_result<T>(f: impl FnOnce() -> T) -> T {
    with(Scope::Result, f).0
}

/// Decodes with `f` a result.
pub(crate) fn decoding<T>(f: impl FnOnce() -> T) -> T {
    with(Scope::Decoding(Places::default(), false), f).0
}

/// Decodes with `f` the argument of a call that brings these buffers; and tells whether this process had
/// no descriptor or no memory left for a shared object in it.
pub(crate) fn decoding_argument<T>(places: Places, f: impl FnOnce() -> T) -> (T, bool) {
    let (value, scope) = with(Scope::Decoding(places, false), f);
    (value, matches!(scope, Some(Scope::Decoding(_, true))))
}

/// Called by a handle's `Serialize`: may it go, and under which number?
///
/// # Errors
/// A sentence for the user: no call is being encoded, or the handle cannot go this way.
pub(crate) fn send(segment: &Arc<Segment>) -> Result<SegmentId, &'static str> {
    SCOPE.with(|current| match current.borrow_mut().as_mut() {
        Some(Scope::Argument(luggage)) => {
            luggage.add(segment);
            Ok(segment.id())
        }
        Some(Scope::Result) if arrivals().contains(segment.id()) => Ok(segment.id()),
        Some(Scope::Result) => Err("a handle made in a worker cannot be returned to the parent; \
             make it in the parent and pass it to the call"),
        Some(Scope::Decoding(..)) | None => {
            Err("a shared object (a Queue, a Lock or the like) can only \
             be serialised inside the argument of a call")
        }
    })
}

impl Luggage {
    /// The buffers that are to be listed behind the argument. The call keeps them from now on.
    pub(crate) fn brought(&mut self) -> Brought {
        /// Keeps a buffer until its call has ended.
        #[derive(Debug)]
        struct Kept(#[expect(dead_code, reason = "dropped in time")] Arc<Keyed>);

        impl Keep for Kept {
            /// The drop waits for nobody.
            fn let_go(&mut self) -> bool {
                true
            }
        }

        let buffers = std::mem::take(&mut self.buffers).unpack();
        let kept = buffers.as_slice().iter().map(|buffer| Box::new(Kept(Arc::clone(buffer))));
        self.keepers.extend(kept.map(|kept| -> Keeper { kept }));
        Brought::listed(buffers.as_slice())
    }

    /// True when nothing travels with the argument, or buffers only.
    #[inline]
    pub(crate) fn is_buffers(&self) -> bool {
        self.handles.is_empty() && self.keepers.is_empty()
    }

    /// Bytes of the list of buffers behind the argument.
    #[inline]
    pub(crate) fn list_bytes(&self) -> usize {
        match self.buffers.len() {
            0 => 0,
            count => list_bytes(count),
        }
    }

    /// The buffers, and how many bytes of the arena only this argument needs.
    #[inline]
    pub(crate) fn into_buffers(self) -> (Brings, usize) {
        if self.buffers.len() == 0 {
            return (Brings::Nothing, 0);
        }
        let own_bytes = self.buffers.own_bytes();
        (self.buffers.unpack(), own_bytes)
    }

    /// One more shared object.
    fn add(&mut self, segment: &Arc<Segment>) {
        if !self.handles.iter().any(|known| Arc::ptr_eq(known, segment)) {
            self.handles.push(Arc::clone(segment));
        }
    }
}

/// As [`send`], for a handle that counts: `keeper` is kept until the call has ended. Such a handle
/// cannot be returned.
///
/// # Errors
/// As [`send`].
pub(crate) fn send_counted(
    segment: &Arc<Segment>,
    keeper: impl FnOnce() -> Keeper,
) -> Result<SegmentId, &'static str> {
    // What is user code here (there is none at present) must find the scope free.
    let refusal = SCOPE.with(|current| match &*current.borrow() {
        Some(Scope::Argument(_)) => None,
        Some(Scope::Result) => Some(
            "an end of a channel, or a reference of an actor, cannot be returned by a call; make \
             it in the parent and keep it there",
        ),
        Some(Scope::Decoding(..)) | None => Some(
            "an end of a channel, or a reference of an actor, can only be serialised inside the \
             argument of a call",
        ),
    });
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let keeper = keeper();
    SCOPE.with(|current| {
        if let Some(Scope::Argument(luggage)) = current.borrow_mut().as_mut() {
            luggage.add(segment);
            luggage.keepers.push(keeper);
        }
    });
    Ok(segment.id())
}

/// In tests: something travels with the argument of a call, and nothing else does.
#[cfg(test)]
pub(crate) fn send_along(keeper: Keeper) {
    SCOPE.with(|current| {
        if let Some(Scope::Argument(luggage)) = current.borrow_mut().as_mut() {
            luggage.keepers.push(keeper);
        }
    });
}

/// Called by a buffer's `Serialize`: its name, if the argument of a call is being encoded that can bring
/// it. The call keeps it then.
pub(crate) fn send_buffer(buffer: &Arc<Keyed>) -> Option<Name> {
    SCOPE.with(|current| {
        let mut scope = current.borrow_mut();
        let Some(Scope::Argument(luggage)) = scope.as_mut() else { return None };
        let name = buffer.name_in(luggage.arena.as_ref()?)?;
        luggage.buffers.add(buffer);
        Some(name)
    })
}

/// Called by a buffer's `Deserialize`: what a name stands for.
///
/// # Errors
/// A sentence for the user: no argument of a call is being decoded that brings such a buffer.
pub(crate) fn brought(name: Name) -> Result<Listed, &'static str> {
    SCOPE.with(|current| match &*current.borrow() {
        Some(Scope::Decoding(places, _)) => {
            places.find(name).cloned().ok_or("this is the name of no buffer of this call")
        }
        _ => Err("the name of a buffer means something to a call only"),
    })
}

/// True while a call or a result is being decoded.
pub(crate) fn is_decoding() -> bool {
    SCOPE.with(|current| matches!(*current.borrow(), Some(Scope::Decoding(..))))
}

/// Called by a handle's `Deserialize`: the memory behind a number.
///
/// # Errors
/// A sentence for the user: nothing is being decoded by a call, or the memory is not here, or
/// nobody can write to it any more.
pub(crate) fn receive(id: SegmentId) -> Result<Arc<Segment>, &'static str> {
    arrived(id).and_then(|segment| {
        if segment.is_frozen() { Err("the shared memory is frozen") } else { Ok(segment) }
    })
}

/// The memory behind a number.
fn arrived(id: SegmentId) -> Result<Arc<Segment>, &'static str> {
    if !is_decoding() {
        return Err(
            "a shared object (a Queue, a Lock or the like) can only be deserialised inside \
             the argument of a call",
        );
    }
    if let Some(segment) = Segment::find(id) {
        return Ok(segment);
    }
    arrivals().segment(id).inspect_err(|&lost| {
        if lost == NO_DESCRIPTOR {
            SCOPE.with(|current| {
                if let Some(Scope::Decoding(_, missing)) = current.borrow_mut().as_mut() {
                    *missing = true;
                }
            });
        }
    })
}

/// As [`receive`], for memory that nobody can write to any more.
///
/// # Errors
/// As [`receive`], and the memory can be written to.
pub(crate) fn receive_frozen(id: SegmentId) -> Result<Arc<Segment>, &'static str> {
    arrived(id).and_then(|segment| {
        if segment.is_frozen() { Ok(segment) } else { Err("the shared memory is not frozen") }
    })
}
