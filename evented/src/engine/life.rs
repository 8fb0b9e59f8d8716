//! The life of a task: spawned, polled, cancelled, joined.

use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::name::Name;

use super::{Engine, OPERATIONS_PER_POLL, count};
use crate::class::Class;
use crate::classes::NO_DEADLINE;
use crate::contain::{Payload, contain, contain_and_discard};
use crate::record::{Ended, Entry, Polled};
use crate::task::body::{Body, Job};
use crate::task::{JoinError, Spawn};
use crate::tasks::{NONE, Slot, State};
use crate::waker;

impl Engine {
    /// Puts a future into a slot and returns it, not yet queued. A closed engine drops the future at
    /// once and leaves a cancelled task.
    pub(crate) fn insert<F>(
        &self,
        mut options: Spawn,
        location: &'static Location<'static>,
        future: F,
    ) -> u32
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let class = options.class_asked_for().map(|class| class.id_in(self.id));
        let class = class.unwrap_or_else(|| self.class_to_inherit());
        let deadline = options.deadline_from(|| self.now());
        let deadline =
            deadline.map_or(NO_DEADLINE, |deadline| self.tasks.classes.deadline_at(deadline));
        let name = self.recorder().keep_name(options.name_asked_for());
        let body: Pin<Box<dyn Body>> = Box::pin(Job::new(future, &mut options, location));
        if !self.tasks.classes.is_populated(class) {
            self.freshen_clock();
        }
        let index = self.tasks.insert(class, deadline);
        let slot = self.tasks.slot(index);
        slot.set(State::PINNED);
        slot.body.set(Some(body));
        let (new, parent) = (self.tasks.name_of(index, slot), self.running_task());
        self.recorder().spawned(new, class, parent, location, name);
        if self.is_closed.get() {
            self.cancel_at_birth(index);
        }
        index
    }

    /// Polls the task in slot `index`, which was popped from its queue.
    #[inline]
    pub(crate) fn poll_task(&self, index: u32, slot: &Slot) {
        let Some(mut body) = slot.begin_poll() else { return self.pass_over(index, slot) };
        let (name, class) = (self.tasks.name_of(index, slot), slot.class.get());
        let entry = self.begin_poll(name);
        // It owns nothing that would have to be dropped.
        let waker = ManuallyDrop::new(waker::of(name));
        let polled = contain(|| body.as_mut().poll(&mut Context::from_waker(&waker)));
        if matches!(polled, Ok(Poll::Pending)) {
            self.recorder().end_poll(entry, class, Polled::Pending);
            slot.end_poll(body);
            self.leave_poll();
            self.end_poll(index);
        } else {
            let result = if polled.is_ok() { Polled::Ready } else { Polled::Panicked };
            self.recorder().end_poll(entry, class, result);
            self.end_last_poll((index, slot), body, polled.err());
        }
    }

    /// The task in slot `index` was popped from its queue, and is not to be polled.
    #[inline(never)]
    fn pass_over(&self, index: u32, slot: &Slot) {
        slot.clear(State::QUEUED);
        self.tasks.classes.pass_over(slot.class.get());
        if slot.state().has(State::CANCELLED) {
            self.cancel_now(index);
        } else {
            self.tasks.free_if_done(index);
        }
    }

    /// What comes after the last poll of a task: its future has returned, or panicked with a payload.
    #[inline(never)]
    fn end_last_poll(
        &self,
        (index, slot): (u32, &Slot),
        mut body: Pin<Box<dyn Body>>,
        payload: Option<Payload>,
    ) {
        let how = if payload.is_none() { Ended::Returned } else { Ended::Panicked };
        slot.clear(State::RUNNING);
        self.leave_poll();
        if let Some(payload) = payload {
            self.recorder().panicked();
            count(&self.counters.panics);
            let error = body.panicked(payload);
            self.fail(&mut body, error);
        }
        self.complete(index, body, how);
    }

    /// What comes before every poll, the root's included. Returns what the recorder asks for at its end.
    #[inline]
    pub(crate) fn begin_poll(&self, name: Name) -> Option<&Entry> {
        count(&self.counters.polls);
        self.running.set(name.slot());
        self.operations_left.set(OPERATIONS_PER_POLL);
        self.recorder().begin_poll(name)
    }

    /// What comes after every poll: no task is being polled.
    #[inline]
    pub(crate) fn leave_poll(&self) {
        self.running.set(NONE);
    }

    /// The class of a task that is spawned here and does not ask for another one: that of the task
    /// that is being polled by itself, not the one that it has for the sake of others.
    fn class_to_inherit(&self) -> u8 {
        let index = self.running.get();
        if index == NONE || !self.inherits() {
            return self.running_class();
        }
        self.own(index).0
    }

    /// Asks for a task to be cancelled: its future is dropped when its turn comes.
    pub(crate) fn request_cancel(&self, index: u32) {
        let slot = self.tasks.slot(index);
        if slot.state().has(State::LIVE) {
            if !slot.state().has(State::CANCELLED) {
                self.recorder().cancelled(self.tasks.name_of(index, slot), slot.class.get());
            }
            slot.set(State::CANCELLED);
            self.tasks.enqueue(index);
        }
    }

    /// Drops the future of a task, while no other code of the user's runs.
    pub(crate) fn cancel_now(&self, index: u32) {
        let slot = self.tasks.slot(index);
        let Some(mut body) = slot.body.take() else { return };
        self.recorder().begin_drop(self.tasks.name_of(index, slot));
        self.fail(&mut body, JoinError::Cancelled);
        self.recorder().end_drop(slot.class.get());
        self.complete(index, body, Ended::Cancelled);
    }

    /// Drops the future of a task that was spawned just now, in the midst of whatever has spawned it: that
    /// goes on afterwards.
    fn cancel_at_birth(&self, index: u32) {
        let slot = self.tasks.slot(index);
        let Some(mut body) = slot.body.take() else { return };
        self.recorder().within(self.tasks.name_of(index, slot), || {
            self.fail(&mut body, JoinError::Cancelled);
            self.complete(index, body, Ended::Cancelled);
        });
    }

    /// Puts an error into a body. If the user's drop panics meanwhile, that panic becomes the error.
    fn fail(&self, body: &mut Pin<Box<dyn Body>>, error: JoinError) {
        if let Err(payload) = contain(|| body.as_mut().fail(error)) {
            count(&self.counters.panics);
            let error = body.panicked(payload);
            if contain_and_discard(|| body.as_mut().fail(error)) {
                count(&self.counters.panics);
            }
        }
    }

    /// The task has its result: tells the joiner and frees what nobody refers to.
    fn complete(&self, index: u32, body: Pin<Box<dyn Body>>, how: Ended) {
        let slot = self.tasks.slot(index);
        self.judge_deadline(index);
        self.recorder().done(self.tasks.name_of(index, slot), slot.class.get(), how);
        // First it counts as one that does not wait: it is not to be polled for what follows.
        slot.clear(State::STARTED);
        self.forget_waits(index);
        let joiner = slot.joiner.take();
        slot.clear(State::LIVE);
        slot.clear(State::CANCELLED);
        slot.set(State::DONE);
        if slot.state().has(State::PINNED) {
            slot.body.set(Some(body));
        } else {
            self.tasks.free_if_done(index);
            self.drop_contained(body);
        }
        if let Some(joiner) = joiner {
            self.wake_contained(joiner);
        }
    }

    /// A task is done with what it had a deadline for: counts a miss if that was earlier.
    fn judge_deadline(&self, index: u32) {
        let (class, deadline) = self.own(index);
        if deadline == NO_DEADLINE {
            return;
        }
        let classes = &self.tasks.classes;
        let now = classes.deadline_at(self.now());
        if now > deadline {
            classes.miss(class);
            self.recorder().missed(self.tasks.name(index), class, now - deadline);
        }
    }

    /// The task that is being polled goes on with something that has another deadline, or none.
    /// False if none is being polled.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) -> bool {
        let index = self.running.get();
        if index == NONE {
            return false;
        }
        self.judge_deadline(index);
        let classes = &self.tasks.classes;
        let deadline = deadline.map_or(NO_DEADLINE, |deadline| classes.deadline_at(deadline));
        self.change_own(index, self.own(index).0, deadline);
        true
    }

    /// Puts a task into another class, from its next poll on.
    #[track_caller]
    pub(crate) fn set_class(&self, index: u32, class: Class) {
        self.change_own(index, class.id_in(self.id), self.own(index).1);
    }

    /// The `Task` of slot `index` is gone. Nobody wants the result.
    pub(crate) fn unpin(&self, index: u32, cancel: bool) {
        let slot = self.tasks.slot(index);
        slot.clear(State::PINNED);
        self.forget_join(index);
        let joiner = slot.joiner.take();
        if slot.state().has(State::LIVE) {
            if cancel {
                self.request_cancel(index);
            }
        } else {
            let body = slot.body.take();
            self.tasks.free_if_done(index);
            self.drop_contained(body);
        }
        self.drop_contained(joiner);
    }

    /// Moves the result of a done task to `out`; the slot is no longer pinned.
    pub(crate) fn take_result(&self, index: u32, out: &mut dyn Any) {
        let slot = self.tasks.slot(index);
        if let Some(mut body) = slot.body.take() {
            body.as_mut().take(out);
        }
        slot.clear(State::PINNED);
        self.tasks.free_if_done(index);
    }
}
