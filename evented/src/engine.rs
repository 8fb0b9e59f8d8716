//! The state of a reactor, and what tasks and leaf futures do with it.
//!
//! Everything lives on one thread. No `RefCell` here is borrowed while user code runs: futures,
//! wakers and drops are called with plain references only, after what they concern was taken out.

mod budget;
mod inherit;
mod leaf;
mod life;

use std::cell::{Cell, RefCell};
use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::blocking::Threads;
use crate::class::Class;
use crate::classes::Classes;
use crate::contain::contain_and_discard;
use crate::driver::{Driver, Ready};
use crate::inherit::{Change, Graph};
use crate::mailbox::{self, Call, Mailbox};
use crate::name::Name;
use crate::record::{Clock, Hooks, Recorder, RecorderSpec, WaitsFor};
use crate::remote::Drained;
use crate::sources::Sources;
use crate::tasks::{NONE, Tasks};
use crate::timers::Timers;
use crate::waker;

use budget::{OPERATIONS_PER_POLL, Stint};

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
    pub(crate) sources: Sources,
    pub(crate) timers: RefCell<Timers>,
    /// Which tasks hold up which.
    pub(crate) graph: RefCell<Graph>,
    /// What follows from a change of it; kept for its memory.
    changes: Cell<Vec<Change>>,
    /// The pool behind `blocking`.
    pub(crate) threads: Threads,
    /// What was taken out of the inbox; kept for its memory.
    pub(crate) drained: RefCell<Drained<Call>>,
    /// What the driver reported; kept for its memory.
    pub(crate) events: RefCell<Vec<Ready>>,
    /// Polls between two looks at the clock, see `turn::Pace`.
    pub(crate) clock_gap: Cell<u32>,
    /// The slot of the task that is being polled, or [`NONE`].
    pub(crate) running: Cell<u32>,
    /// Operations left to the task that is being polled. Below 0: so many were refused.
    pub(crate) operations_left: Cell<i32>,
    /// Since when, if somebody has asked for the time.
    stint: Cell<Option<Stint>>,
    /// `block_on` or `run` is on the stack.
    pub(crate) is_running: Cell<bool>,
    /// It is part of another loop, which sleeps: what comes from other threads is announced.
    pub(crate) rests: Cell<bool>,
    /// The last look outside was at everything.
    pub(crate) has_seen_all: Cell<bool>,
    /// Calls of other threads were run in this turn; reset only where somebody asks.
    pub(crate) has_run_calls: Cell<bool>,
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
#[inline]
pub(crate) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Engine {
    pub(crate) fn new(
        driver: Box<dyn Driver>,
        latency: Duration,
        threads: Threads,
        (record, clock): ((&RecorderSpec, &Hooks), Clock),
    ) -> io::Result<Self> {
        let (mailbox, id) = mailbox::acquire()?;
        let recorder = Recorder::new(record, clock, id);
        mailbox.open(id, driver.unparker(), recorder.shared().cloned());
        let classes = Classes::new(latency, driver.now());
        for (id, class) in (0..).zip(classes.each()) {
            recorder.class(id, class);
        }
        Ok(Self {
            tasks: Tasks::new(mailbox, classes, NORMAL, recorder),
            mailbox,
            id,
            sources: Sources::default(),
            timers: RefCell::new(Timers::new(driver.now())),
            driver: RefCell::new(Some(driver)),
            graph: RefCell::default(),
            changes: Cell::default(),
            threads,
            drained: RefCell::default(),
            events: RefCell::default(),
            clock_gap: Cell::new(1),
            running: Cell::new(NONE),
            operations_left: Cell::new(OPERATIONS_PER_POLL),
            stint: Cell::new(None),
            is_running: Cell::new(false),
            rests: Cell::new(false),
            has_seen_all: Cell::new(false),
            has_run_calls: Cell::new(false),
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

    /// The task that is being polled, if one is.
    pub(crate) fn running_task(&self) -> Option<Name> {
        let index = self.running.get();
        (index != NONE).then(|| self.tasks.name(index))
    }

    /// The id of the class of that task. Without one, that which a task has if nobody asks for another.
    pub(crate) fn running_class(&self) -> u8 {
        let index = self.running.get();
        if index == NONE { NORMAL } else { self.tasks.slot(index).class.get() }
    }

    pub(crate) fn now(&self) -> Instant {
        self.driver.borrow().as_ref().map_or_else(Instant::now, |driver| driver.now())
    }

    /// Lets time pass. False for a clock that goes by itself.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        self.driver.borrow_mut().as_mut().is_some_and(|driver| driver.advance(by))
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.tasks.recorder
    }

    /// Records what the task that is being polled waits for.
    #[inline]
    pub(crate) fn waits_for(&self, what: WaitsFor) {
        self.waits_for_some(what, 0);
    }

    /// The same, with so many other things of that kind.
    #[inline]
    pub(crate) fn waits_for_some(&self, what: WaitsFor, more: usize) {
        let index = self.running.get();
        if index != NONE {
            self.recorder().waits_for(index, what, more);
        }
    }

    /// Records something of the user's.
    pub(crate) fn mark(&self, label: &'static str, value: u64) {
        self.recorder().mark(self.running_task(), self.running_class(), label, value);
    }

    /// Calls a waker, which may be foreign and may panic.
    #[inline]
    pub(crate) fn wake_contained(&self, waker: Waker) {
        match waker::name_in(&waker) {
            // One of this reactor: nobody's code runs.
            Some(name) if name.reactor() == self.tasks.reactor() => self.tasks.wake(name),
            _ => self.wake_other(waker),
        }
    }

    /// The same for one that is none of this reactor's.
    #[inline(never)]
    fn wake_other(&self, waker: Waker) {
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
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Every task handle is gone, and `Reactor::drop` has cancelled the tasks before.
        self.tasks.free_root();
        debug_assert_eq!(self.tasks.len(), 0, "a slot is in use but nobody refers to it");
        self.mailbox.release();
    }
}
