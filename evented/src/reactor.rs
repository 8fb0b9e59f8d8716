//! The reactor.

use std::cell::OnceCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crate::blocking;
use crate::builder::Builder;
use crate::class::{Class, ClassSpec};
use crate::classes::ClassStats;
use crate::current;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::record::{Dump, Record, Recording};
use crate::task::{Spawn, Task};
use crate::tasks::{ROOT, State};

/// An event loop: it polls the tasks of one thread.
///
/// A process may have many, one per thread that wants one. A reactor stays on the thread that built it.
///
/// Dropping it, or [`Handle::shutdown`], ends everything, in this order:
///
/// 1. the futures of all tasks are dropped, the newest task first; their [`Task`]s resolve to
///    [`JoinError::Cancelled`](crate::JoinError::Cancelled), and so do tasks spawned from here on;
/// 2. (drop only) calls that other threads queued are dropped without running;
/// 3. timers and descriptors are forgotten;
/// 4. closures queued for [`blocking`](fn@crate::blocking) are dropped, and the threads are joined: **a
///    closure that is running is waited for**;
/// 5. the reactor's own descriptors are closed.
///
/// Wakers may outlive the reactor; using one then does nothing.
pub struct Reactor {
    engine: Rc<Engine>,
    /// Made when it is first asked for.
    descriptor: OnceCell<OwnedFd>,
}

impl Reactor {
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine: Rc::new(engine), descriptor: OnceCell::new() }
    }

    pub(crate) fn engine(&self) -> &Rc<Engine> {
        &self.engine
    }

    /// See [`Reactor::descriptor`].
    pub(crate) fn own_descriptor(&self) -> &OnceCell<OwnedFd> {
        &self.descriptor
    }

    /// Options for a new reactor.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A reactor with default options.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors left, see [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Runs `future` and all tasks on this thread until `future` has finished. Tasks that have not
    /// stay, and go on with the next call.
    ///
    /// May be called inside a task of *another* reactor, which then stands still meanwhile.
    ///
    /// # Panics
    ///
    /// When this reactor is running already, and with the panic of `future`. Panics of tasks are
    /// values of their [`Task`]s.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let running = Running::begin(&self.engine, "block_on", Location::caller());
        current::enter(&self.engine, || {
            let _running = running;
            let mut future = pin!(future);
            self.engine.drive(|cx| future.as_mut().poll(cx))
        })
    }

    /// Runs all tasks until [`Handle::shutdown`] is called.
    ///
    /// # Panics
    ///
    /// When this reactor is running already.
    #[track_caller]
    pub fn run(&self) {
        let running = Running::begin(&self.engine, "run", Location::caller());
        current::enter(&self.engine, || {
            let _running = running;
            self.engine.drive(|_| {
                if self.engine.is_closed.get() { Poll::Ready(()) } else { Poll::Pending }
            });
        });
    }

    /// Spawns a task that starts with the next [`block_on`](Self::block_on) or [`run`](Self::run).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_with(Spawn::new(), future)
    }

    /// As [`spawn`](Self::spawn), with options.
    #[track_caller]
    pub fn spawn_with<F>(&self, options: Spawn, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Task::spawn(Rc::clone(&self.engine), options, future)
    }

    /// Makes a class of tasks of this reactor.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when a value of the policy is out of its range, there is a class of this name,
    /// all classes together would reserve more than 0.9 of the processor's time, or there are
    /// [`MAX_CLASSES`](crate::MAX_CLASSES).
    pub fn add_class(&self, spec: ClassSpec) -> io::Result<Class> {
        self.engine.freshen_clock();
        let class = self.engine.tasks.classes.add(spec, self.engine.id())?;
        self.engine.recorder().class(class.id_in(self.engine.id()), class);
        Ok(class)
    }

    /// The policy of a class.
    ///
    /// # Panics
    ///
    /// When the class was added to another reactor.
    #[track_caller]
    pub fn class_spec(&self, class: Class) -> ClassSpec {
        self.engine.tasks.classes.spec(class.id_in(self.engine.id()))
    }

    /// Changes shares, latency, reserve, `max_starve` or slice of a class, also while it is in use; take
    /// the policy from [`class_spec`](Self::class_spec).
    ///
    /// # Errors
    ///
    /// `InvalidInput` when a value is out of its range, or name, rank or order are not those of the
    /// class.
    ///
    /// # Panics
    ///
    /// When the class was added to another reactor.
    #[track_caller]
    pub fn change_class(&self, class: Class, spec: ClassSpec) -> io::Result<()> {
        self.engine.freshen_clock();
        self.engine.tasks.classes.change(class.id_in(self.engine.id()), spec)
    }

    /// What a class has to do and has done.
    ///
    /// # Panics
    ///
    /// When the class was added to another reactor.
    #[track_caller]
    pub fn class_stats(&self, class: Class) -> ClassStats {
        self.engine.tasks.classes.stats(class.id_in(self.engine.id()))
    }

    /// Ends the reactor from inside, as [`stop`].
    ///
    /// # Errors
    ///
    /// [`NotRunning`] when it is not running: nothing is remembered of that. To end a reactor that may
    /// not have begun to run, from wherever it is, there is [`Handle::shutdown`].
    pub fn stop(&self) -> Result<(), NotRunning> {
        stop_engine(&self.engine)
    }

    /// Tells what its pool is running.
    pub(crate) fn blocking_running(&self) -> blocking::Running {
        self.engine.threads.running()
    }

    /// What other threads use to reach this reactor.
    pub fn handle(&self) -> Handle {
        Handle::new(&self.engine)
    }

    /// Its tasks, and what each of them waits for; nothing is polled for it. Empty without a recorder.
    pub fn dump(&self) -> Dump {
        self.record().dump().clone()
    }

    /// All that is recorded of it: the last events, and the tasks. Empty without a recorder.
    pub fn record(&self) -> Record {
        self.engine.recorder().shared().map_or_else(Record::empty, |shared| Record::of(shared))
    }

    /// Where the record is. This tells when there is no place for a file, which is no error.
    pub fn recording(&self) -> Recording {
        self.engine.recorder().recording()
    }

    /// What the reactor holds and has done.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.engine)
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        // Destructors of futures find their reactor.
        current::enter(&self.engine, || self.close());
    }
}

impl Reactor {
    /// Ends everything, in the order of the documentation.
    fn close(&self) {
        let engine = &self.engine;
        engine.rest_no_more();
        engine.close();
        for call in engine.mailbox().close() {
            engine.drop_contained(call);
        }
        let timers = engine.timers.borrow_mut().clear();
        let sources = engine.sources.clear();
        // One by one: a second panic while a collection is dropped would end the process.
        for waker in timers {
            engine.drop_contained(waker);
        }
        for waiter in sources {
            engine.drop_contained(waiter);
        }
        engine.threads.shut_down();
        engine.tasks.sweep();
        engine.recorder().close();
        drop(engine.driver.take());
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("stats", &self.stats()).finish()
    }
}

/// Runs `future` on a reactor with default options, made for it alone. Tasks that are left when it has
/// finished are cancelled.
///
/// Inside a task of another reactor, that one stands still meanwhile.
///
/// # Panics
///
/// When the system has no descriptors left for a reactor (see [`Reactor::new`] for the error as a
/// value), and with the panic of `future`.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match Reactor::new() {
        Ok(reactor) => reactor.block_on(future),
        Err(error) => panic!("no reactor could be built, see `Reactor::new`: {error}"),
    }
}

/// The reactor is not running, so there is nothing to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reactor is not running")]
pub struct NotRunning;

/// Ends the reactor that runs on this thread, as [`Handle::shutdown`] does, but only if there is one:
/// with the next turn all tasks are cancelled, and [`Reactor::run`] returns.
///
/// # Errors
///
/// [`NotRunning`] outside a reactor: a stop that comes before the start is most likely a mistake.
pub fn stop() -> Result<(), NotRunning> {
    let engine = current::try_engine().ok_or(NotRunning)?;
    stop_engine(&engine)
}

fn stop_engine(engine: &Engine) -> Result<(), NotRunning> {
    if !engine.is_running.get() {
        return Err(NotRunning);
    }
    engine.shutdown_requested.set(true);
    Ok(())
}

/// The reactor is on the stack, and not to be entered again.
pub(crate) struct Running<'a> {
    engine: &'a Engine,
}

impl<'a> Running<'a> {
    #[track_caller]
    pub(crate) fn begin(
        engine: &'a Engine,
        method: &'static str,
        caller: &'static Location<'static>,
    ) -> Self {
        let already = engine.is_running.replace(true);
        assert!(!already, "this reactor is running already: await the future instead of blocking");
        engine.rest_no_more();
        let class = engine.tasks.slot(ROOT).class.get();
        engine.recorder().enter(engine.tasks.name(ROOT), class, method, caller);
        Self { engine }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // The root may have panicked while it was polled, and it waits for nothing any more.
        self.engine.leave_poll();
        self.engine.tasks.slot(ROOT).clear(State::STARTED);
        self.engine.forget_waits(ROOT);
        self.engine.is_running.set(false);
        self.engine.recorder().leave(ROOT);
    }
}

/// What a reactor holds and has done; see [`Reactor::stats`] and [`stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that have not finished, and finished ones whose [`Task`] still exists.
    pub tasks: usize,
    /// Tasks ever spawned.
    pub spawned: u64,
    /// Timers that wait.
    pub timers: usize,
    /// Descriptors in the poll set.
    pub sources: usize,
    /// Threads alive for [`blocking`](fn@crate::blocking).
    pub blocking_threads: usize,
    /// Closures that queue for those threads.
    pub blocking_queued: usize,
    /// Polls of futures so far.
    pub polls: u64,
    /// Turns so far.
    pub turns: u64,
    /// How often the system was asked for readiness so far.
    pub waits: u64,
    /// Panics kept from the loop so far.
    pub panics: u64,
}

impl Stats {
    fn of(engine: &Engine) -> Self {
        let (blocking_threads, blocking_queued) = engine.threads.load();
        Self {
            tasks: engine.tasks.len(),
            spawned: engine.tasks.spawned(),
            timers: engine.timers.borrow().len(),
            sources: engine.sources.len(),
            blocking_threads,
            blocking_queued,
            polls: engine.counters.polls.get(),
            turns: engine.counters.turns.get(),
            waits: engine.counters.waits.get(),
            panics: engine.counters.panics.get(),
        }
    }
}

/// What the current reactor holds and has done.
///
/// # Panics
///
/// Outside a reactor.
#[track_caller]
pub fn stats() -> Stats {
    Stats::of(&current::engine())
}

/// A handle to the current reactor.
///
/// # Panics
///
/// Outside a reactor.
#[track_caller]
pub fn handle() -> Handle {
    Handle::new(&current::engine())
}
