//! The task slab and the ready queues. Nothing in this file runs user code.

mod slot;

use std::cell::Cell;

use crate::chunks::{CAPACITY, Chunks};
use crate::classes::{Classes, NO_DEADLINE};
use crate::mailbox::Mailbox;
use crate::name::{GENERATION_MASK, Name};
use crate::record::Recorder;

pub(crate) use slot::{Slot, State};

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;
/// The slot of the future given to `block_on`.
pub(crate) const ROOT: u32 = 0;

/// All tasks of a reactor.
pub(crate) struct Tasks {
    slots: Chunks<Slot>,
    /// Where the notified words are.
    mailbox: &'static Mailbox,
    /// The place of the mailbox, as in names.
    reactor: u16,
    /// Slots below this one have been used.
    used: Cell<u32>,
    /// Head of the list of free slots, most recently freed first.
    free: Cell<u32>,
    /// How many slots are not free, the root included.
    occupied: Cell<u32>,
    /// The next serial number.
    next_serial: Cell<u64>,
    /// The classes, with the queues of ready tasks.
    pub(crate) classes: Classes,
    /// Writes down what happens to the tasks.
    pub(crate) recorder: Recorder,
}

impl Tasks {
    pub(crate) fn new(
        mailbox: &'static Mailbox,
        classes: Classes,
        root_class: u8,
        recorder: Recorder,
    ) -> Self {
        let tasks = Self {
            slots: Chunks::new(),
            mailbox,
            reactor: mailbox.index(),
            used: Cell::new(0),
            free: Cell::new(NONE),
            occupied: Cell::new(0),
            next_serial: Cell::new(0),
            classes,
            recorder,
        };
        let root = tasks.insert(root_class, NO_DEADLINE);
        debug_assert_eq!(root, ROOT, "the first slot is the root's");
        tasks
    }

    #[inline]
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        self.slots.get(index)
    }

    /// The current name of the task in slot `index`.
    pub(crate) fn name(&self, index: u32) -> Name {
        self.name_of(index, self.slot(index))
    }

    /// As [`name`](Self::name), with the slot at hand.
    #[inline]
    pub(crate) fn name_of(&self, index: u32, slot: &Slot) -> Name {
        Name::new(self.reactor, slot.generation.get(), index)
    }

    /// The reactor's place, as in names.
    #[inline]
    pub(crate) fn reactor(&self) -> u16 {
        self.reactor
    }

    /// How many tasks have not been freed, without the root.
    pub(crate) fn len(&self) -> usize {
        self.occupied.get().saturating_sub(1) as usize
    }

    /// How many tasks were ever spawned, without the root.
    pub(crate) fn spawned(&self) -> u64 {
        self.next_serial.get().saturating_sub(1)
    }

    /// Takes a slot for a new task: live, neither queued nor pinned, without a body.
    ///
    /// # Panics
    ///
    /// When 16,777,152 slots are in use.
    pub(crate) fn insert(&self, class: u8, deadline: u64) -> u32 {
        self.classes.populate(class);
        let index = self.free.get();
        let index = if index == NONE { self.fresh() } else { index };
        let slot = self.slot(index);
        if self.free.get() == index {
            self.free.set(slot.next.get());
        }
        let serial = self.next_serial.get();
        self.next_serial.set(serial + 1);
        slot.serial.set(serial);
        slot.class.set(class);
        slot.deadline.set(deadline);
        slot.state.set(State::LIVE);
        self.occupied.set(self.occupied.get() + 1);
        index
    }

    /// A slot that was never used by this reactor.
    fn fresh(&self) -> u32 {
        let index = self.used.get();
        assert!(index < CAPACITY, "a reactor holds at most {CAPACITY} tasks");
        self.used.set(index + 1);
        // The mailbox had other reactors before; their names must not match.
        self.slot(index).generation.set(self.mailbox.word(index).generation());
        index
    }

    /// Frees a slot: all its names are void from here on. The body must be out.
    fn free(&self, index: u32) {
        let slot = self.slot(index);
        let generation = (slot.generation.get() + 1) & GENERATION_MASK;
        slot.generation.set(generation);
        self.mailbox.word(index).retire(generation);
        slot.state.set(State::FREE);
        slot.next.set(self.free.get());
        self.free.set(index);
        self.occupied.set(self.occupied.get() - 1);
        self.recorder.freed(index);
    }

    /// Frees the slot of a done task unless something still refers to it.
    pub(crate) fn free_if_done(&self, index: u32) {
        if self.slot(index).state() == State::DONE {
            self.free(index);
        }
    }

    /// Frees the root's slot, when the reactor goes.
    pub(crate) fn free_root(&self) {
        self.free(ROOT);
    }

    /// Wakes the task with this name, which is one of this reactor's. Void if it is stale.
    #[inline]
    pub(crate) fn wake(&self, name: Name) {
        let index = name.slot();
        // A slot that was not used yet is not live.
        if let Some(slot) = self.slots.find(index)
            && slot.generation.get() == name.generation()
            && slot.enters_queue()
        {
            if self.classes.push_hot(&self.slots, index, slot) {
                self.recorder.woken(name, slot.class.get());
            } else {
                self.wake_other(name, slot);
            }
        }
    }

    /// The rest of a wake of a task whose class is not the hot one.
    #[inline(never)]
    fn wake_other(&self, name: Name, slot: &Slot) {
        self.classes.push(&self.slots, name.slot(), slot);
        self.recorder.woken(name, slot.class.get());
    }

    /// Whether the task with this name, which is one of this reactor's, is gone.
    pub(crate) fn is_stale(&self, name: Name) -> bool {
        let index = name.slot();
        index >= self.used.get() || self.slot(index).generation.get() != name.generation()
    }

    /// Takes a name out of the inbox: clears its notified bit, then wakes.
    pub(crate) fn wake_from_inbox(&self, name: Name) {
        if self.mailbox.word(name.slot()).clear(name.generation()) {
            self.wake(name);
        }
    }

    /// Puts a live task into the queue of its class, unless it is there.
    pub(crate) fn enqueue(&self, index: u32) {
        let slot = self.slot(index);
        if slot.enters_queue() {
            self.classes.push(&self.slots, index, slot);
            self.recorder.is_ready(index);
        }
    }

    /// Takes a task out of the queue, unless that is where it is to be cancelled: it waits again, and
    /// only a wake brings it back.
    pub(crate) fn dequeue(&self, index: u32) {
        let slot = self.slot(index);
        let state = slot.state();
        if state.has(State::QUEUED) && state.has(State::LIVE) && !state.has(State::CANCELLED) {
            self.classes.remove(&self.slots, index);
            slot.clear(State::QUEUED);
        }
    }

    /// Takes the next task to run. It is still said to be queued.
    #[inline]
    pub(crate) fn pop(&self) -> Option<(u32, &Slot)> {
        match self.classes.pop_hot(&self.slots) {
            None => self.pop_other(),
            popped => popped,
        }
    }

    /// The same when the hot class has none.
    #[inline(never)]
    fn pop_other(&self) -> Option<(u32, &Slot)> {
        let (index, slot) = self.classes.pop_other(&self.slots)?;
        if self.classes.take_rescue() {
            self.recorder.rescued(self.name_of(index, slot), slot.class.get());
        }
        Some((index, slot))
    }

    /// Changes something by which a task is queued; a task in a queue gets its new place, after
    /// those that are there.
    fn requeue(&self, index: u32, change: impl FnOnce(&Slot)) {
        let slot = self.slot(index);
        let is_queued = slot.state().has(State::QUEUED);
        if is_queued {
            self.classes.remove(&self.slots, index);
        }
        change(slot);
        if is_queued {
            self.classes.push(&self.slots, index, slot);
        }
    }

    /// Puts a task into another class, and gives it another deadline.
    pub(crate) fn place(&self, index: u32, class: u8, deadline: u64) {
        self.requeue(index, |slot| {
            slot.class.set(class);
            slot.deadline.set(deadline);
        });
        self.recorder.changed_class(index, class);
    }

    /// Empties the queues of a reactor that will not run again; frees done tasks that waited there.
    pub(crate) fn sweep(&self) {
        while let Some((index, slot)) = self.pop() {
            slot.clear(State::QUEUED);
            self.free_if_done(index);
        }
    }

    /// Whether a task is ready.
    pub(crate) fn any_ready(&self) -> bool {
        self.classes.any_ready()
    }

    /// The slots of live tasks without the root, newest first.
    pub(crate) fn live_newest_first(&self) -> Vec<u32> {
        let live = (ROOT + 1..self.used.get()).filter(|&i| self.slot(i).state().has(State::LIVE));
        let mut live: Vec<u32> = live.collect();
        live.sort_unstable_by_key(|&index| std::cmp::Reverse(self.slot(index).serial.get()));
        live
    }
}
