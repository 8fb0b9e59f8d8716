//! What the engine does about tasks that hold up others; see `crate::inherit`.

use std::task::Waker;

use super::Engine;
use crate::inherit::{Change, EdgeId, GateId, Graph, Kept, Waiting};
use crate::name::Name;
use crate::tasks::{NONE, State};
use crate::waker;

impl Engine {
    /// Whether waits have to be noted: tasks can be of different urgency.
    #[inline]
    pub(crate) fn inherits(&self) -> bool {
        self.tasks.classes.inherits()
    }

    /// The task that is being polled joins the one in slot `joined`.
    pub(crate) fn note_join(&self, joined: u32, waker: &Waker) {
        let waiter = self.running.get();
        if self.inherits() && waiter != NONE {
            let kept = self.kept(waker);
            let (waiter, joined) = (self.waiting(waiter), self.waiting(joined));
            self.with_graph(|graph, changes| graph.join(waiter, joined, kept, changes));
        }
    }

    /// Nobody joins the task in this slot any more.
    pub(crate) fn forget_join(&self, joined: u32) {
        if self.inherits() {
            self.with_graph(|graph, changes| graph.unjoin(joined, changes));
        }
    }

    /// The task that is being polled waits at a gate; see [`Graph::wait`].
    pub(crate) fn wait_at(
        &self,
        gate: Option<GateId>,
        place: Option<EdgeId>,
        polled: Option<&Waker>,
    ) -> (GateId, EdgeId, bool) {
        let kept = polled.map_or(Kept::Lasting, |waker| self.kept(waker));
        let waiter = self.waiting(self.running.get());
        self.with_graph(|graph, changes| graph.wait(gate, place, waiter, kept, changes))
    }

    /// A wait at a gate has ended.
    pub(crate) fn leave(&self, place: EdgeId) {
        self.with_graph(|graph, changes| graph.leave(place, changes));
    }

    /// See [`Graph::set_keeper`].
    pub(crate) fn set_keeper(&self, gate: GateId, turn: u64, keeper: Option<Name>) {
        let keeper = keeper.and_then(|keeper| self.live(keeper));
        self.with_graph(|graph, changes| graph.set_keeper(gate, turn, keeper, changes));
    }

    /// See [`Graph::add_holder`].
    pub(crate) fn add_holder(&self, gate: GateId, holder: Name) -> Option<EdgeId> {
        let holder = self.live(holder)?;
        self.with_graph(|graph, changes| graph.add_holder(gate, holder, changes))
    }

    /// A poll of the task in this slot has ended, and it waits.
    #[inline]
    pub(crate) fn end_poll(&self, index: u32) {
        if self.inherits() {
            let poll = self.counters.polls.get();
            self.with_graph(|graph, changes| graph.end_poll(index, poll, changes));
        }
    }

    /// The task in this slot waits for nobody, and nobody for it.
    #[inline]
    pub(crate) fn forget_waits(&self, index: u32) {
        if self.inherits() {
            self.with_graph(|graph, changes| graph.remove(index, changes));
        }
    }

    /// The class and the deadline of a task by itself; its slot has those by which it is queued.
    pub(crate) fn own(&self, index: u32) -> (u8, u64) {
        let slot = self.tasks.slot(index);
        let shown = (slot.class.get(), slot.deadline.get());
        let own = if self.inherits() { self.graph.borrow().own(index) } else { None };
        own.unwrap_or(shown)
    }

    /// Changes them.
    pub(crate) fn change_own(&self, index: u32, class: u8, deadline: u64) {
        if !self.tasks.classes.is_populated(class) {
            self.freshen_clock();
            self.tasks.classes.populate(class);
        }
        if self.inherits() && self.graph.borrow().own(index).is_some() {
            let urgency = self.tasks.classes.urgency(class, deadline);
            let task = Waiting { slot: index, urgency, deadline };
            self.with_graph(|graph, changes| graph.change(task, changes));
        } else {
            self.apply(Change { slot: index, class, deadline, is_boosted: false });
        }
    }

    /// How it will be known that a wait with this waker goes on.
    fn kept(&self, waker: &Waker) -> Kept {
        let is_own = waker::name_in(waker).is_some_and(|name| self.running_task() == Some(name));
        if is_own { Kept::Polled(self.counters.polls.get()) } else { Kept::Lasting }
    }

    /// The task in a slot, as the graph wants to know it.
    fn waiting(&self, index: u32) -> Waiting {
        let slot = self.tasks.slot(index);
        let deadline = slot.deadline.get();
        let urgency = self.tasks.classes.urgency(slot.class.get(), deadline);
        Waiting { slot: index, urgency, deadline }
    }

    /// The same of a task by its name, if it is one of this reactor's and has not ended.
    fn live(&self, name: Name) -> Option<Waiting> {
        let is_here = name.reactor() == self.mailbox.index() && !self.tasks.is_stale(name);
        let is_live = is_here && self.tasks.slot(name.slot()).state().has(State::LIVE);
        is_live.then(|| self.waiting(name.slot()))
    }

    /// Does something to the graph, and what follows from it.
    fn with_graph<R>(&self, f: impl FnOnce(&mut Graph, &mut Vec<Change>) -> R) -> R {
        let mut changes = self.changes.take();
        let result = f(&mut self.graph.borrow_mut(), &mut changes);
        for change in changes.drain(..) {
            self.apply(change);
        }
        self.changes.replace(changes);
        result
    }

    /// Queues a task as it has to be from here on. If it waits, it is polled once: what it waits for is to
    /// be looked at with that rank, and it may have begun to wait when waits were not noted.
    fn apply(&self, change: Change) {
        let Change { slot: index, class, deadline, is_boosted } = change;
        let classes = &self.tasks.classes;
        let slot = self.tasks.slot(index);
        let before = (slot.class.get(), slot.deadline.get());
        self.tasks.place(index, class, deadline);
        if is_boosted && classes.rank(class) < classes.rank(before.0) {
            classes.note_boost(class);
            self.recorder().boosted(self.tasks.name_of(index, slot), class);
        }
        let is_running = self.running.get() == index;
        if !is_running && (class, deadline) != before && slot.state().has(State::STARTED) {
            self.tasks.enqueue(index);
        }
    }
}
