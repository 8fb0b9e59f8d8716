//! One place for a task, and what state the task is in.

use std::cell::Cell;
use std::mem;
use std::pin::Pin;
use std::task::Waker;

use super::NONE;
use crate::classes::NO_DEADLINE;
use crate::task::body::Body;

/// The state of a task, bits of [`Slot::state`].
///
/// | bits                | meaning                                                               |
/// |---------------------|-----------------------------------------------------------------------|
/// | none                | the slot is free                                                       |
/// | LIVE                | the future waits for a wake                                            |
/// | LIVE QUEUED         | it is in the queue of its class                                        |
/// | LIVE RUNNING        | it is being polled; with QUEUED: woken meanwhile, polled again         |
/// | LIVE CANCELLED      | always with QUEUED: the future is dropped instead of polled            |
/// | DONE                | the future is gone, the body holds the result; always with PINNED or QUEUED |
///
/// STARTED goes with LIVE once the future was polled: it may wait for something. PINNED goes with any of
/// them but the first: a `Task` refers to the slot, which is not freed before the `Task` is gone. A slot
/// that is QUEUED is not freed before it has been popped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u8);

impl State {
    pub(crate) const FREE: Self = Self(0);
    pub(crate) const LIVE: Self = Self(1);
    pub(crate) const QUEUED: Self = Self(2);
    pub(crate) const RUNNING: Self = Self(4);
    pub(crate) const CANCELLED: Self = Self(8);
    pub(crate) const DONE: Self = Self(16);
    pub(crate) const PINNED: Self = Self(32);
    pub(crate) const STARTED: Self = Self(64);

    #[inline]
    pub(crate) fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    #[inline]
    pub(crate) fn with(self, bits: Self) -> Self {
        Self(self.0 | bits.0)
    }

    #[inline]
    fn without(self, bits: Self) -> Self {
        Self(self.0 & !bits.0)
    }
}

/// One task. In a cache line of its own.
#[repr(align(64))]
pub(crate) struct Slot {
    /// The future or its result. Out while it is polled or dropped, and for the root.
    pub(crate) body: Cell<Option<Pin<Box<dyn Body>>>>,
    /// Who awaits the task.
    pub(crate) joiner: Cell<Option<Waker>>,
    /// Unique number, in order of spawning.
    pub(super) serial: Cell<u64>,
    /// How often the slot was freed, as in names.
    pub(super) generation: Cell<u32>,
    /// The next slot in the same ready queue, or in the free list.
    pub(crate) next: Cell<u32>,
    /// The previous slot in the same ready queue, if there is one.
    pub(crate) previous: Cell<u32>,
    /// By when it is to be done, see [`Classes::deadline_at`].
    pub(crate) deadline: Cell<u64>,
    pub(super) state: Cell<State>,
    /// The id of its class.
    pub(crate) class: Cell<u8>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            body: Cell::new(None),
            joiner: Cell::new(None),
            serial: Cell::new(0),
            generation: Cell::new(0),
            next: Cell::new(NONE),
            previous: Cell::new(NONE),
            deadline: Cell::new(NO_DEADLINE),
            state: Cell::new(State::FREE),
            class: Cell::new(0),
        }
    }
}

impl Slot {
    /// Takes the body of a task that was popped from its queue, to poll it. None if it is not to be
    /// polled; then nothing has changed, and it is still said to be queued.
    #[inline]
    pub(crate) fn begin_poll(&self) -> Option<Pin<Box<dyn Body>>> {
        let state = self.state.get();
        if state.0 & (State::LIVE.0 | State::CANCELLED.0) != State::LIVE.0 {
            return None;
        }
        let body = self.body.take()?;
        self.state.set(state.without(State::QUEUED).with(State::RUNNING).with(State::STARTED));
        Some(body)
    }

    /// Whether the task has to be put into a queue: it is live, and was not said to be there. It is from
    /// here on.
    #[inline]
    pub(super) fn enters_queue(&self) -> bool {
        let state = self.state.get();
        let enters = state.0 & (State::LIVE.0 | State::QUEUED.0) == State::LIVE.0;
        if enters {
            self.state.set(state.with(State::QUEUED));
        }
        enters
    }

    /// Gives the body back of a task that waits.
    #[inline]
    pub(crate) fn end_poll(&self, body: Pin<Box<dyn Body>>) {
        self.clear(State::RUNNING);
        let none = self.body.replace(Some(body));
        debug_assert!(none.is_none(), "the body was out");
        // Spares a look whether there is something to drop.
        mem::forget(none);
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    #[inline]
    pub(crate) fn set(&self, bits: State) {
        self.state.set(self.state.get().with(bits));
    }

    #[inline]
    pub(crate) fn clear(&self, bits: State) {
        self.state.set(self.state.get().without(bits));
    }
}
