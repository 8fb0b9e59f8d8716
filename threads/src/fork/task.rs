//! A closure spawned in a scope, in a cell of fixed size.
//!
//! Cells are recycled: whoever runs a task keeps its cell for the next one it spawns. Most
//! closures fit into the cell; larger ones get an allocation of their own.

use super::context::Context;
use super::forked::Fork;
use super::node::Node;
use super::post::Post;
use super::scope::Core;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Bytes of a closure that fit into a cell.
const INLINE: usize = 48;

/// The most unused cells that a context keeps: 64 KiB.
const KEPT: usize = 1024;

/// Room for a closure.
type Room = MaybeUninit<[u8; INLINE]>;

/// A spawned closure with what belongs to it.
#[repr(C, align(16))]
pub(super) struct Body {
    /// Takes the closure out and calls it, then counts it as ended.
    run: unsafe fn(NonNull<()>, &Context, &Post),
    /// Where it was spawned, which is there until the task is counted as ended.
    scope: NonNull<Core>,
    /// The closure, or a box with it.
    room: Room,
}

/// A task that has not begun: the right to run it, once.
pub(crate) struct Task(NonNull<Body>);

// SAFETY: the closure in it is `Send`, and scopes are made to be used by several threads.
unsafe impl Send for Task {}

/// Whether closures of this type lie in the cell itself.
const fn is_inline<F>() -> bool {
    size_of::<F>() <= INLINE && align_of::<F>() <= 16
}

impl Task {
    /// A task of this closure.
    ///
    /// # Safety
    ///
    /// The scope has counted the task as spawned, and is there, with what the closure borrows,
    /// until it has counted it as ended.
    pub(super) unsafe fn new<F>(cells: Option<&Cells>, scope: &Core, closure: F) -> Self
    where
        F: FnOnce() + Send,
    {
        let cell = cells.and_then(Cells::take).unwrap_or_else(allocate);
        let mut room = Room::uninit();
        if const { is_inline::<F>() } {
            // SAFETY: the room is as large as the closure or larger, it is ours, and nothing is asked
            // of its alignment.
            unsafe { room.as_mut_ptr().cast::<F>().write_unaligned(closure) };
        } else {
            // SAFETY: a pointer is smaller than the room, otherwise as above.
            unsafe {
                room.as_mut_ptr()
                    .cast::<*mut F>()
                    .write_unaligned(Box::into_raw(Box::new(closure)));
            };
        }
        let body = Body { run: run::<F>, scope: NonNull::from(scope), room };
        // SAFETY: both ways to a cell give memory that was allocated for a body, aligned like one,
        // which nobody else knows of; what was in it before has no destructor.
        unsafe { cell.write(body) };
        Self(cell)
    }

    /// Where it was spawned.
    pub(super) fn scope(&self) -> NonNull<Core> {
        // SAFETY: the task has not begun, so its cell is there, and nobody writes to it.
        unsafe { self.0.as_ref() }.scope
    }

    /// Whether it belongs to `ancestor`.
    pub(super) fn is_within(&self, ancestor: &Node) -> bool {
        // SAFETY: the task has not begun, so its scope is there.
        let scope = unsafe { self.scope().as_ref() };
        // SAFETY: and so is what that belongs to.
        unsafe { scope.node().is_within(ancestor) }
    }

    /// The same as a fork of any kind.
    pub(crate) fn into_fork(self) -> Fork {
        // SAFETY: the task has not begun, so its cell is there.
        let body = unsafe { self.0.as_ref() };
        // SAFETY: and its scope.
        let scope = unsafe { body.scope.as_ref() };
        // SAFETY: `run` is the one for this closure, may be called once, as `self` was that right and is
        // used up, on any thread, as the closure is `Send`, and never unwinds. The node lies in
        // the scope, which is there until the task is counted as ended, and the scope's post
        // is that of a context of the pool.
        unsafe { Fork::new(body.run, self.0.cast(), NonNull::from(scope.node()), scope.post()) }
    }
}

/// Runs the task in this cell. Never unwinds.
///
/// # Safety
///
/// [`Task::new`] put a closure of this type there, and the caller used up the right to run it.
unsafe fn run<F: FnOnce() + Send>(cell: NonNull<()>, context: &Context, owner: &Post) {
    let cell = cell.cast::<Body>();
    // SAFETY: there is a body in it, as the task had not begun. The cell is this thread's now: what
    // is moved out here is not used there again.
    let Body { scope, room, .. } = unsafe { cell.read() };
    context.cells.keep(cell);
    let closure = || -> F {
        if const { is_inline::<F>() } {
            // SAFETY: `Task::new` wrote it there, in the same case; this is called once.
            unsafe { room.as_ptr().cast::<F>().read_unaligned() }
        } else {
            // SAFETY: `Task::new` wrote a pointer there, in the same case.
            let raw = unsafe { room.as_ptr().cast::<*mut F>().read_unaligned() };
            // SAFETY: which came from a box, and is turned into one again once.
            *unsafe { Box::from_raw(raw) }
        }
    };
    // SAFETY: the scope is there until it has counted this task, see `Task::new`, which `Core::run`
    // does last, and nobody else does.
    unsafe { Core::run(scope, context, owner, closure()) };
}

/// A new cell.
#[cold]
fn allocate() -> NonNull<Body> {
    NonNull::from(Box::leak(Box::new(MaybeUninit::<Body>::uninit()))).cast()
}

/// Unused cells of a context.
#[derive(Default)]
pub(crate) struct Cells {
    /// The first one; each begins with the address of the next one.
    first: Cell<Option<NonNull<Body>>>,
    /// How many there are.
    count: Cell<usize>,
}

impl Cells {
    /// One of them.
    fn take(&self) -> Option<NonNull<Body>> {
        let cell = self.first.get()?;
        // SAFETY: unused cells begin with the next one's address.
        self.first.set(unsafe { cell.cast::<Option<NonNull<Body>>>().read() });
        self.count.set(self.count.get() - 1);
        Some(cell)
    }

    /// Keeps a cell that is not used any more, unless there are enough.
    fn keep(&self, cell: NonNull<Body>) {
        if self.count.get() < KEPT {
            // SAFETY: the cell is unused, and large enough for an address.
            unsafe { cell.cast::<Option<NonNull<Body>>>().write(self.first.get()) };
            self.first.set(Some(cell));
            self.count.set(self.count.get() + 1);
        } else {
            free(cell);
        }
    }
}

/// Gives a cell's memory back.
fn free(cell: NonNull<Body>) {
    let cell: *mut MaybeUninit<Body> = cell.as_ptr().cast();
    // SAFETY: it came from `allocate`, and is unused.
    drop(unsafe { Box::from_raw(cell) });
}

impl Drop for Cells {
    fn drop(&mut self) {
        while let Some(cell) = self.take() {
            free(cell);
        }
    }
}
