//! The state of a reactor, and what tasks and leaf futures do with it.
//!
//! Everything lives on one thread. No `RefCell` here is borrowed while user code runs: futures,
//! wakers and drops are called with plain references only, after what they concern was taken out.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use crate::blocking::Threads;
use crate::class::{Class, Rank};
use crate::classes::{Classes, NO_DEADLINE};
use crate::contain::{contain, contain_and_discard};
use crate::driver::{Driver, Ready};
use crate::mailbox::{self, Call, Mailbox};
use crate::remote::Drained;
use crate::sources::{Direction, SourceId, Sources, Waiter};
use crate::task::body::{Body, Job};
use crate::task::{JoinError, Spawn};
use crate::tasks::{NONE, Slot, State, Tasks};
use crate::timers::{TimerId, Timers};
use crate::waker;

/// How many operations that are ready at once a task may do in one poll. After that leaf futures
/// yield, so that a socket that is always readable cannot keep the loop.
const OPERATIONS_PER_POLL: u32 = 128;

/// The id of the class of tasks that do not ask for another one, and are not spawned by a task.
const NORMAL: u8 = Class::NORMAL.default_id();

/// See the module's documentation.
pub(crate) struct Engine {
    pub(crate) tasks: Tasks,
    /// Where other threads reach this reactor.
    mailbox: &'static Mailbox,
    /// Unique in the process, unlike the mailbox.
    id: u64,
    /// The kernel, until the reactor is dropped.
    pub(crate) driver: RefCell<Option<Box<dyn Driver>>>,
    pub(crate) sources: RefCell<Sources>,
    pub(crate) timers: RefCell<Timers>,
    /// The pool behind `blocking`.
    pub(crate) threads: Threads,
    /// What was taken out of the inbox; kept for its memory.
    pub(crate) drained: RefCell<Drained<Call>>,
    /// What the driver reported; kept for its memory.
    pub(crate) events: RefCell<Vec<Ready>>,
    /// Polls between two looks at the clock, see `turn::Pace`.
    pub(crate) clock_gap: Cell<u32>,
    /// The id of the class of the task that is being polled.
    pub(crate) running_class: Cell<u8>,
    /// The slot of the task that is being polled, or [`NONE`].
    pub(crate) running: Cell<u32>,
    /// Operations left to the task that is being polled.
    pub(crate) operations_left: Cell<u32>,
    /// `block_on` or `run` is on the stack.
    pub(crate) is_running: Cell<bool>,
    /// Shut down: tasks are cancelled, new ones too.
    pub(crate) is_closed: Cell<bool>,
    /// Somebody asked for shutdown; done between two turns.
    pub(crate) shutdown_requested: Cell<bool>,
    /// Counters for `Stats`.
    pub(crate) counters: Counters,
}

/// What the reactor has done so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) polls: Cell<u64>,
    pub(crate) turns: Cell<u64>,
    pub(crate) waits: Cell<u64>,
    pub(crate) panics: Cell<u64>,
}

/// Adds one to a counter.
pub(crate) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Engine {
    pub(crate) fn new(
        driver: Box<dyn Driver>,
        latency: Duration,
        threads: Threads,
    ) -> io::Result<Self> {
        let (mailbox, id) = mailbox::acquire()?;
        mailbox.open(id, driver.unparker());
        let classes = Classes::new(latency, driver.now());
        Ok(Self {
            tasks: Tasks::new(mailbox, classes, NORMAL),
            mailbox,
            id,
            driver: RefCell::new(Some(driver)),
            sources: RefCell::default(),
            timers: RefCell::default(),
            threads,
            drained: RefCell::default(),
            events: RefCell::default(),
            clock_gap: Cell::new(1),
            running_class: Cell::new(NORMAL),
            running: Cell::new(NONE),
            operations_left: Cell::new(OPERATIONS_PER_POLL),
            is_running: Cell::new(false),
            is_closed: Cell::new(false),
            shutdown_requested: Cell::new(false),
            counters: Counters::default(),
        })
    }

    pub(crate) fn mailbox(&self) -> &'static Mailbox {
        self.mailbox
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn now(&self) -> Instant {
        self.driver.borrow().as_ref().map_or_else(Instant::now, |driver| driver.now())
    }

    /// Lets time pass. False for a clock that goes by itself.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        self.driver.borrow_mut().as_mut().is_some_and(|driver| driver.advance(by))
    }

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
        let class = class.unwrap_or(self.running_class.get());
        let deadline = options.deadline_from(|| self.now());
        let deadline =
            deadline.map_or(NO_DEADLINE, |deadline| self.tasks.classes.deadline_at(deadline));
        let body: Pin<Box<dyn Body>> = Box::pin(Job::new(future, &mut options, location));
        let index = self.tasks.insert(class, deadline);
        let slot = self.tasks.slot(index);
        slot.set(State::PINNED);
        slot.body.set(Some(body));
        if self.is_closed.get() {
            self.cancel_now(index);
        }
        index
    }

    /// Polls the task in slot `index`, which was popped from its queue.
    pub(crate) fn poll_task(&self, index: u32, slot: &Slot) {
        let state = slot.state();
        if !state.has(State::LIVE) {
            self.tasks.free_if_done(index);
            return;
        }
        if state.has(State::CANCELLED) {
            self.cancel_now(index);
            return;
        }
        let Some(mut body) = slot.body.take() else { return };
        self.begin_poll(index, slot.class.get());
        slot.set(State::RUNNING);
        let waker = waker::of(self.tasks.name_of(index, slot));
        let polled = contain(|| body.as_mut().poll(&mut Context::from_waker(&waker)));
        slot.clear(State::RUNNING);
        self.running_class.set(NORMAL);
        self.running.set(NONE);
        match polled {
            Ok(poll) if poll.is_pending() => {
                slot.body.set(Some(body));
                return;
            }
            Ok(_) => {}
            Err(payload) => {
                count(&self.counters.panics);
                let error = body.panicked(payload);
                self.fail(&mut body, error);
            }
        }
        self.complete(index, body);
    }

    /// What comes before every poll, the root's included.
    pub(crate) fn begin_poll(&self, index: u32, class: u8) {
        count(&self.counters.polls);
        self.running.set(index);
        self.running_class.set(class);
        self.operations_left.set(OPERATIONS_PER_POLL);
    }

    /// Asks for a task to be cancelled: its future is dropped when its turn comes.
    pub(crate) fn request_cancel(&self, index: u32) {
        let slot = self.tasks.slot(index);
        if slot.state().has(State::LIVE) {
            slot.set(State::CANCELLED);
            self.tasks.enqueue(index);
        }
    }

    /// Drops the future of a task that is not being polled.
    pub(crate) fn cancel_now(&self, index: u32) {
        let Some(mut body) = self.tasks.slot(index).body.take() else { return };
        self.fail(&mut body, JoinError::Cancelled);
        self.complete(index, body);
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
    fn complete(&self, index: u32, body: Pin<Box<dyn Body>>) {
        let slot = self.tasks.slot(index);
        self.judge_deadline(slot);
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
    fn judge_deadline(&self, slot: &Slot) {
        let deadline = slot.deadline.get();
        let classes = &self.tasks.classes;
        if deadline != NO_DEADLINE && classes.deadline_at(self.now()) > deadline {
            classes.miss(slot.class.get());
        }
    }

    /// The task that is being polled goes on with something that has another deadline, or none.
    /// False if none is being polled.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) -> bool {
        let index = self.running.get();
        if index == NONE {
            return false;
        }
        self.judge_deadline(self.tasks.slot(index));
        let classes = &self.tasks.classes;
        let deadline = deadline.map_or(NO_DEADLINE, |deadline| classes.deadline_at(deadline));
        self.tasks.set_deadline(index, deadline);
        true
    }

    /// Puts a task into another class, from its next poll on.
    #[track_caller]
    pub(crate) fn set_class(&self, index: u32, class: Class) {
        self.tasks.set_class(index, class.id_in(self.id));
    }

    /// The `Task` of slot `index` is gone. Nobody wants the result.
    pub(crate) fn unpin(&self, index: u32, cancel: bool) {
        let slot = self.tasks.slot(index);
        slot.clear(State::PINNED);
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

    /// Calls a waker, which may be foreign and may panic.
    pub(crate) fn wake_contained(&self, waker: Waker) {
        if contain_and_discard(|| waker.wake()) {
            count(&self.counters.panics);
        }
    }

    /// Drops something of the user's.
    pub(crate) fn drop_contained<T>(&self, value: T) {
        if contain_and_discard(|| drop(value)) {
            count(&self.counters.panics);
        }
    }

    /// Charges one operation to the task being polled. False if it has to yield: it has been woken
    /// and the leaf future returns `Pending`.
    pub(crate) fn may_operate(&self, cx: &Context<'_>) -> bool {
        let may = self.take_operation();
        if !may {
            cx.waker().wake_by_ref();
        }
        may
    }

    /// Charges one operation to the task being polled. False if none is left.
    pub(crate) fn take_operation(&self) -> bool {
        let left = self.operations_left.get();
        self.operations_left.set(left.saturating_sub(1));
        left > 0
    }

    /// The rank of the task being polled.
    pub(crate) fn running_rank(&self) -> Rank {
        self.tasks.classes.rank(self.running_class.get())
    }

    /// Starts a timer for the task being polled.
    pub(crate) fn start_timer(&self, deadline: Instant, waker: Waker) -> TimerId {
        self.timers.borrow_mut().insert(deadline, waker, self.running_rank())
    }

    /// Stops a timer; harmless if it has fired.
    pub(crate) fn stop_timer(&self, id: TimerId) {
        let waiter = self.timers.borrow_mut().remove(id);
        self.drop_contained(waiter);
    }

    /// Adds a descriptor to the poll set.
    pub(crate) fn add_source(&self, fd: RawFd, direction: Direction) -> io::Result<SourceId> {
        let rank = self.running_rank();
        self.with_driver(|driver, sources| sources.insert(driver, fd, direction, rank))
    }

    /// Forgets a descriptor that is about to be closed.
    pub(crate) fn forget_source(&self, id: SourceId) {
        let (waiters, _) = self.sources.borrow_mut().remove(id, None);
        self.drop_contained(waiters);
    }

    /// Takes a descriptor out of the poll set; it stays open.
    pub(crate) fn remove_source(&self, id: SourceId) -> io::Result<()> {
        let (waiters, removed) =
            self.with_driver(|driver, sources| Ok(sources.remove(id, Some(driver))))?;
        self.drop_contained(waiters);
        removed
    }

    /// A call on the source would block: the task being polled waits for the next event.
    pub(crate) fn wait_for_source(
        &self,
        id: SourceId,
        direction: Direction,
        waker: Waker,
    ) -> io::Result<()> {
        let waiter: Waiter = (waker, self.running_rank());
        // Two steps: should the first fail, the waker is dropped with nothing borrowed.
        self.with_driver(|driver, sources| sources.would_block(driver, id, direction, waiter.1))?;
        let (wake, others) =
            self.sources.borrow_mut().wait(id, direction, waiter, |waker| self.is_gone(waker));
        for (waker, _) in others {
            if wake { self.wake_contained(waker) } else { self.drop_contained(waker) }
        }
        Ok(())
    }

    /// Whether the task behind a waker has ended. None if it is none of this reactor's.
    fn is_gone(&self, waker: &Waker) -> Option<bool> {
        let name = waker::name_in(waker)?;
        (name.reactor() == self.mailbox.index()).then(|| self.tasks.is_stale(name))
    }

    fn with_driver<R>(
        &self,
        f: impl FnOnce(&mut dyn Driver, &mut Sources) -> io::Result<R>,
    ) -> io::Result<R> {
        match self.driver.borrow_mut().as_mut() {
            Some(driver) => f(&mut **driver, &mut self.sources.borrow_mut()),
            None => Err(io::Error::other("the reactor is gone")),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Every task handle is gone, and `Reactor::drop` has cancelled the tasks before.
        self.tasks.free_root();
        debug_assert_eq!(self.tasks.len(), 0, "a slot is in use but nobody refers to it");
        self.mailbox.release();
    }
}
