//! How a reactor is to be built.

use std::io;
use std::time::Duration;

use crate::blocking::Threads;
use crate::driver::{Driver, MioDriver, VirtualDriver};
use crate::engine::Engine;
use crate::reactor::Reactor;
use crate::record::{Blocked, Clock, Hooks, Record, RecorderSpec, Trigger};

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
    /// rank waits for a descriptor, for classes without a [`latency`](crate::ClassSpec::latency) of their own.
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
    /// It is called on a thread that all reactors of the process have in common, so it has to be quick:
    /// meanwhile that thread notices nothing else. It may do what code outside of a reactor may: build reactors,
    /// and wait for other threads, also for the reactor that is blocked. Dropping a reactor does not wait for it,
    /// but that the last one to be dropped waits for the thread, two seconds at most while it is in a hook; the
    /// thread then ends when the hook returns. A panic of it is nobody's. Without a recorder it is not called.
    ///
    /// Time is that of the system, also in [virtual time](Self::virtual_time). What is late only because
    /// the machine is busy cannot be told from what blocks.
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
    /// reactor is on its way is not given out again. Dropping the reactor waits for the hook, and calls it for a
    /// record that is still on its way. So the hook may do what that of `on_block` may, but for one thing: if
    /// it waits until this reactor has been dropped, both wait for ever. Without a recorder it is not called.
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
        Ok(Reactor::of(Engine::new(driver, self.latency, threads, recorder)?))
    }
}
