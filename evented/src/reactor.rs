//! The reactor and its builder.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::blocking::Threads;
use crate::class::{Class, ClassSpec};
use crate::classes::ClassStats;
use crate::current;
use crate::driver::{Driver, MioDriver, VirtualDriver};
use crate::engine::Engine;
use crate::handle::Handle;
use crate::record::{Blocked, Clock, Dump, Hooks, Record, RecorderSpec, Recording, Trigger};
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
}

/// How a [`Reactor`] is to be built.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    /// See [`Builder::latency`].
    latency: Duration,
    /// See [`Builder::virtual_time`].
    virtual_time: bool,
    /// See [`Builder::blocking_threads`].
    blocking_threads: usize,
    /// See [`Builder::blocking_queue`].
    blocking_queue: usize,
    /// See [`Builder::blocking_keep_alive`].
    blocking_keep_alive: Duration,
    /// See [`Builder::recorder`].
    recorder: RecorderSpec,
    /// See [`Builder::on_block`] and [`Builder::record_on`].
    hooks: Hooks,
}

/// The most threads a reactor may be told to keep for [`blocking`](fn@crate::blocking).
pub const MAX_BLOCKING_THREADS: usize = 4096;

impl Default for Builder {
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(20),
            virtual_time: false,
            blocking_threads: 32,
            blocking_queue: 1024,
            blocking_keep_alive: Duration::from_secs(5),
            recorder: RecorderSpec::new(),
            hooks: Hooks::default(),
        }
    }
}

impl Builder {
    /// Longest gap between two looks at descriptors and timers while tasks run and one of a more urgent
    /// rank waits for a descriptor, for classes without a [`latency`](ClassSpec::latency) of their own.
    /// Default: 20 microseconds. Zero: after each poll.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// A clock that stands still while tasks run, and jumps to the next timer when none is ready: for
    /// tests of programs that wait, and to try out classes. A task that is to take time says so with
    /// [`advance`](crate::advance). When there is no timer either, the reactor waits for other
    /// threads, as usual.
    ///
    /// There are no descriptors: what waits for one, in [`net`](crate::net),
    /// [`process`](crate::process) or [`signal`](crate::signal), fails with `Unsupported`. Other
    /// threads, those of [`blocking`](fn@crate::blocking) too, do not know this time, and while there
    /// is a timer nobody waits for them.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let reactor = evented::Reactor::builder().virtual_time().build()?;
    /// let took = reactor.block_on(async {
    ///     let start = evented::now();
    ///     evented::sleep(Duration::from_secs(3600)).await;
    ///     evented::now() - start
    /// });
    /// assert_eq!(took, Duration::from_secs(3600)); // At once.
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// How many threads [`blocking`](fn@crate::blocking) may use. They start when needed. Default: 32.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads = threads;
        self
    }

    /// How many closures may queue for those threads; callers wait for a place. Default: 1,024.
    pub fn blocking_queue(mut self, places: usize) -> Self {
        self.blocking_queue = places;
        self
    }

    /// After how long without work such a thread ends. Default: 5 seconds.
    pub fn blocking_keep_alive(mut self, keep_alive: Duration) -> Self {
        self.blocking_keep_alive = keep_alive;
        self
    }

    /// How much is recorded of what the reactor does, see [`record`](crate::record).
    /// Default: [`RecorderSpec::new`].
    pub fn recorder(mut self, spec: RecorderSpec) -> Self {
        self.recorder = spec;
        self
    }

    /// After how long a poll, or a call, counts as one that blocks the loop; see
    /// [`on_block`](Self::on_block). At least a millisecond. [`Duration::MAX`]: never. Default: 250 milliseconds.
    pub fn block_limit(mut self, limit: Duration) -> Self {
        self.hooks.set_limit(limit);
        self
    }

    /// What is called *while* a poll, a call or a drop blocks the loop: when it has taken as long as the
    /// [limit](Self::block_limit), then twice as long, and so on. Default: a line on standard error that
    /// names the task, its class, where it was spawned, and how long it has taken.
    ///
    /// It is called on a thread that all reactors of the process have in common, so it has to be quick. A
    /// panic of it is nobody's. Without a recorder it is not called.
    ///
    /// Time is that of the system, also in [virtual time](Self::virtual_time). What is late only because the machine is
    /// busy cannot be told from what blocks.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// let (sender, blocked) = mpsc::channel();
    /// let reactor = evented::Reactor::builder()
    ///     .block_limit(Duration::from_millis(10))
    ///     .on_block(move |blocked| drop(sender.send(blocked.to_string())))
    ///     .build()?;
    /// reactor.block_on(async {
    ///     // It blocks until it was named.
    ///     println!("{}", blocked.recv().expect("it is told"));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_block(mut self, hook: impl Fn(&Blocked) + Send + Sync + 'static) -> Self {
        self.hooks.set_on_block(hook);
        self
    }

    /// What is given the record, as it was then, when one of these things happens. There is one such hook.
    ///
    /// The loop stops for as long as it takes to copy the record, some hundred microseconds. The hook is called on
    /// the thread of [`on_block`](Self::on_block), one at a time: what happens while a record of this
    /// reactor is on its way is not given out again. Dropping the reactor waits for the hook. Without a
    /// recorder it is not called.
    ///
    /// ```
    /// use evented::record::Trigger;
    ///
    /// let reactor = evented::Reactor::builder()
    ///     .record_on([Trigger::Panic, Trigger::DeadlineMiss], |trigger, record| {
    ///         eprintln!("{trigger:?}: {}", record.dump());
    ///     })
    ///     .build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn record_on(
        mut self,
        triggers: impl IntoIterator<Item = Trigger>,
        hook: impl Fn(Trigger, &Record) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.set_on_trigger(triggers, hook);
        self
    }

    /// Builds the reactor.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no blocking threads, more than [`MAX_BLOCKING_THREADS`], or a queue without
    /// a place; `QuotaExceeded` when 4,096 reactors are alive; else what the system says when there
    /// are no descriptors left.
    pub fn build(self) -> io::Result<Reactor> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if !(1..=MAX_BLOCKING_THREADS).contains(&self.blocking_threads) {
            return invalid(format!(
                "{} blocking threads asked for: give a number from 1 to {MAX_BLOCKING_THREADS}",
                self.blocking_threads
            ));
        }
        if self.blocking_queue == 0 {
            return invalid("a blocking queue needs at least one place".to_owned());
        }
        let threads =
            Threads::new(self.blocking_threads, self.blocking_queue, self.blocking_keep_alive);
        let (driver, clock): (Box<dyn Driver>, _) = if self.virtual_time {
            let driver = VirtualDriver::new();
            let clock = Clock::virtual_time(driver.clock());
            (Box::new(driver), clock)
        } else {
            (Box::new(MioDriver::new()?), Clock::real())
        };
        let recorder = ((&self.recorder, &self.hooks), clock);
        Ok(Reactor { engine: Rc::new(Engine::new(driver, self.latency, threads, recorder)?) })
    }
}

impl Reactor {
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
        let _running = Running::enter(&self.engine, "block_on", Location::caller());
        let mut future = pin!(future);
        self.engine.drive(&mut |cx| future.as_mut().poll(cx))
    }

    /// Runs all tasks until [`Handle::shutdown`] is called.
    ///
    /// # Panics
    ///
    /// When this reactor is running already.
    #[track_caller]
    pub fn run(&self) {
        let _running = Running::enter(&self.engine, "run", Location::caller());
        self.engine.drive(&mut |_| {
            if self.engine.is_closed.get() { Poll::Ready(()) } else { Poll::Pending }
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
        let engine = &self.engine;
        // Destructors of futures find their reactor.
        let _entered = current::enter(Rc::clone(engine));
        engine.close();
        for call in engine.mailbox().close() {
            engine.drop_contained(call);
        }
        let timers = engine.timers.borrow_mut().clear();
        let sources = engine.sources.borrow_mut().clear();
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

/// The reactor is on the stack: current, and not to be entered again.
struct Running<'a> {
    engine: &'a Engine,
    _entered: current::Entered,
}

impl<'a> Running<'a> {
    #[track_caller]
    fn enter(
        engine: &'a Rc<Engine>,
        method: &'static str,
        caller: &'static Location<'static>,
    ) -> Self {
        let already = engine.is_running.replace(true);
        assert!(!already, "this reactor is running already: await the future instead of blocking");
        let class = engine.tasks.slot(ROOT).class.get();
        engine.recorder().enter(engine.tasks.name(ROOT), class, method, caller);
        Self { engine, _entered: current::enter(Rc::clone(engine)) }
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
            sources: engine.sources.borrow().len(),
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
