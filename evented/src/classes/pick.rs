//! The ready queues of all classes together, and the choice of the next task.
//!
//! # The hot class
//!
//! Mostly one class goes on for a while: time decides nothing, and no other class of its rank or of a more
//! urgent one is ready. It is remembered as the *hot* one, and while it is, its queue is all that is looked
//! at to add a task to it and to take the next one.
//!
//! | hot | its queue | its bits in `ready` and `ready_ranks` |
//! |---|---|---|
//! | none | - | every class: set if and only if it has a ready task |
//! | some class | has tasks | set, and so are those of all other classes with tasks, which are less urgent |
//! | some class | empty | still set, until somebody asks ([`Classes::settle`]) |
//!
//! A class becomes hot when it is picked and time decides nothing. It ceases to be ([`Classes::cool`]) when
//! its queue is found empty while another class is ready or somebody asks for the ranks that are, a class
//! that is not less urgent becomes ready, or classes change.

use super::Classes;
use super::entry::Entry;
use crate::chunks::Chunks;
use crate::tasks::Slot;

/// No class is hot. No class has this id.
pub(super) const NO_CLASS: u8 = u8::MAX;

impl Classes {
    /// Puts a task into the queue of its class, if that is the hot one. False if it is not.
    #[inline]
    pub(crate) fn push_hot(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) -> bool {
        let id = slot.class.get();
        let is_hot = id == self.hot.get();
        if is_hot {
            self.entry(id).append(slots, index, slot);
        }
        is_hot
    }

    /// Puts a task into the queue of its class.
    #[inline]
    pub(crate) fn push(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) {
        if !self.push_hot(slots, index, slot) {
            self.push_other(slots, index, slot);
        }
    }

    /// The same where the class is not the hot one.
    #[inline(never)]
    fn push_other(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) {
        let id = slot.class.get();
        let entry = self.entry(id);
        if entry.is_empty() {
            let rank = entry.class.strict_rank();
            if self.hot().is_some_and(|hot| rank <= hot.class.strict_rank()) {
                self.cool();
            }
            let ready = &self.ready[rank.index()];
            ready.set(ready.get() | (1 << id));
            self.ready_ranks.set(self.ready_ranks.get() | rank.bit());
            if self.metered.get() {
                entry.pass.set(entry.pass.get().max(self.pass[rank.index()].get()));
                entry.waits_since.set(self.clock.get());
            }
        }
        entry.push(slots, index, slot);
    }

    /// Takes the next task to run, if it is one of the hot class. If it is not, there may still be one:
    /// [`pop_other`](Self::pop_other) tells.
    #[inline]
    pub(crate) fn pop_hot<'a>(&self, slots: &'a Chunks<Slot>) -> Option<(u32, &'a Slot)> {
        self.hot()?.pop_first(slots)
    }

    /// Takes the next task to run when the hot class has none.
    pub(crate) fn pop_other<'a>(&self, slots: &'a Chunks<Slot>) -> Option<(u32, &'a Slot)> {
        if !self.is_other_ready() {
            // It stays hot: most likely what is woken next is a task of the same class.
            return None;
        }
        self.cool();
        let (id, by_guarantee) = self.pick()?;
        let entry = self.entry(id);
        let popped = entry.pop(slots);
        if self.metered.get() {
            self.note_empty(id, entry);
            if !by_guarantee {
                // A guarantee may have given the class far more than its shares: who becomes ready does not wait
                // until all have had as much.
                self.pass[entry.class.strict_rank().index()].set(entry.pass.get());
            }
            entry.waits_since.set(self.clock.get());
        } else {
            // There is one class of its rank, and none that goes by deadlines: else it were metered.
            self.hot.set(id);
        }
        Some(popped)
    }

    /// The task of this class that was popped last is not polled.
    pub(crate) fn pass_over(&self, id: u8) {
        self.entry(id).pass_over();
    }

    /// Takes a task out that is in the queue of its class.
    pub(crate) fn remove(&self, slots: &Chunks<Slot>, index: u32) {
        let id = slots.get(index).class.get();
        let entry = self.entry(id);
        entry.remove(slots, index);
        if id != self.hot.get() {
            self.note_empty(id, entry);
        }
    }

    /// Whether a task is ready.
    #[inline]
    pub(crate) fn any_ready(&self) -> bool {
        self.hot().is_some_and(|hot| !hot.is_empty()) || self.is_other_ready()
    }

    /// Whether a class is ready that is not the hot one.
    #[inline]
    fn is_other_ready(&self) -> bool {
        let ranks = self.ready_ranks.get();
        match self.hot() {
            None => ranks != 0,
            Some(hot) => {
                let rank = hot.class.strict_rank();
                ranks != rank.bit() || self.ready[rank.index()].get() != 1 << self.hot.get()
            }
        }
    }

    /// The ranks whose descriptors are to be looked at: those that are not less urgent than what is
    /// ready, and those with a guarantee.
    pub(crate) fn due_ranks(&self) -> u8 {
        self.settle();
        match self.ready_ranks.get() {
            0 => u8::MAX,
            ready => (ready ^ (ready - 1)) | self.guaranteed_ranks.get(),
        }
    }

    /// Whether a task of one of these ranks is ready.
    #[inline]
    pub(crate) fn is_any_ready(&self, ranks: u8) -> bool {
        self.settle();
        self.ready_ranks.get() & ranks != 0
    }

    /// The hot class.
    #[inline]
    fn hot(&self) -> Option<&Entry> {
        self.entries.get(usize::from(self.hot.get()))?.get().map(|entry| &**entry)
    }

    /// Sees to it that no bit is set of a class that has no ready task.
    fn settle(&self) {
        if self.hot().is_some_and(Entry::is_empty) {
            self.cool();
        }
    }

    /// From here on no class is hot.
    pub(super) fn cool(&self) {
        if let Some(hot) = self.hot() {
            self.note_empty(self.hot.replace(NO_CLASS), hot);
        }
    }

    /// The class to run next, and whether that is because of a guarantee.
    fn pick(&self) -> Option<(u8, bool)> {
        let ranks = self.ready_ranks.get();
        if ranks == 0 {
            return None;
        }
        if self.guaranteed.get() != 0
            && let Some(id) = self.rescue(ranks)
        {
            return Some((id, true));
        }
        let ready = self.ready[ranks.trailing_zeros() as usize].get();
        if ready.is_power_of_two() {
            return Some((lowest(ready), false));
        }
        Some((ids(ready).min_by_key(|&id| self.entry(id).pass.get())?, false))
    }

    /// The first class whose guarantee is due.
    fn rescue(&self, ranks: u8) -> Option<u8> {
        let ready = self.ready.iter().fold(0, |all, ready| all | ready.get());
        let now = self.clock.get();
        let id = ids(ready & self.guaranteed.get()).find(|&id| self.entry(id).is_due(now))?;
        let entry = self.entry(id);
        if ranks & entry.class.strict_rank().above() != 0 {
            entry.rescues.set(entry.rescues.get() + 1);
            self.rescued.set(true);
        }
        Some(id)
    }

    /// Whether the class that was picked last went before a more urgent rank; said once.
    pub(crate) fn take_rescue(&self) -> bool {
        self.guaranteed.get() != 0 && self.rescued.take()
    }

    /// Notes that a class has no ready task, if so.
    fn note_empty(&self, id: u8, entry: &Entry) {
        if !entry.is_empty() {
            return;
        }
        let rank = entry.class.strict_rank();
        let ready = &self.ready[rank.index()];
        ready.set(ready.get() & !(1 << id));
        if ready.get() == 0 {
            self.ready_ranks.set(self.ready_ranks.get() & !rank.bit());
        }
    }
}

/// The lowest id in a mask that has one.
fn lowest(mask: u64) -> u8 {
    #[expect(clippy::cast_possible_truncation, reason = "a mask of 64 bits has none above 63")]
    let id = mask.trailing_zeros() as u8;
    id
}

/// The ids in a mask.
fn ids(mut mask: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let id = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        u8::try_from(id).ok().filter(|&id| u32::from(id) < u64::BITS)
    })
}
