//! The state of a channel, under its lock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::current;
use crate::inherit::{Gate, Place};
use crate::name::Name;
use crate::sync::waiters::Waiters;
use crate::waker::name_in;

/// What both ends share.
pub(super) struct Shared<T> {
    pub(super) capacity: usize,
    /// Wakers and values are used and dropped outside the lock.
    pub(super) state: Mutex<State<T>>,
}

pub(super) struct State<T> {
    pub(super) values: VecDeque<T>,
    /// How many senders are alive.
    pub(super) senders: usize,
    /// The receiver is alive.
    pub(super) receiver: bool,
    /// The receiver's task.
    pub(super) waits: Option<Waker>,
    /// Those who wait for room. The first keeps its place until it has sent or given up.
    pub(super) sending: Waiters,
    /// Where the same wait. Its keeper is the receiver's task, or the sender whose turn it is.
    pub(super) full: Gate,
    /// The receiver's task.
    pub(super) consumer: Option<Name>,
    /// Where the receiver waits. Its keeper is the task of the only sender.
    pub(super) empty: Gate,
    /// The receiver's place there.
    pub(super) receiving: Place,
    /// The number of the sender that was used last, and its task.
    pub(super) producer: Option<(u64, Name)>,
    /// The number of the next sender.
    pub(super) next_sender: u64,
}

impl<T> State<T> {
    /// The task that is being polled has used this sender. Noted if it matters to somebody's urgency, or
    /// it has woken the receiver: that costs so much that this is nothing beside.
    pub(super) fn note_producer(&mut self, number: u64, has_woken: bool) {
        let task = if has_woken { current::task() } else { current::task_with_urgency() };
        if let Some(task) = task {
            self.producer = Some((number, task));
            self.note_only_sender();
        }
    }

    /// The task that is being polled receives.
    pub(super) fn note_consumer(&mut self) {
        if let Some(task) = current::task_with_urgency() {
            self.consumer = Some(task);
        }
    }

    /// The senders have changed, or their tasks.
    pub(super) fn note_only_sender(&mut self) {
        let producer = self.producer.filter(|_| self.senders == 1);
        self.empty.set_keeper(producer.map(|(_, task)| task));
    }

    /// Takes the receiver out that waits, to be woken.
    pub(super) fn end_receiving(&mut self) -> Option<Waker> {
        self.empty.leave(&mut self.receiving);
        self.waits.take()
    }
}

impl<T> Shared<T> {
    /// An empty channel with one sender, of the number 0.
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            values: VecDeque::new(),
            senders: 1,
            receiver: true,
            waits: None,
            sending: Waiters::default(),
            full: Gate::default(),
            consumer: None,
            empty: Gate::default(),
            receiving: Place::default(),
            producer: None,
            next_sender: 1,
        };
        Self { capacity, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for another value.
    pub(super) fn has_room(&self, state: &State<T>) -> bool {
        state.values.len() < self.capacity
    }

    /// The next sender to be told that there is room.
    pub(super) fn next_sender(&self, state: &mut State<T>) -> Option<Waker> {
        if !self.has_room(state) {
            state.full.set_keeper(state.consumer);
            return None;
        }
        let next = state.sending.tell_first();
        if let Some(next) = &next {
            // Those behind wait for it now.
            state.full.set_keeper(name_in(next));
        }
        next
    }
}
