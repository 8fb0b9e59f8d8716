//! The threads and their reactors.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::live::Live;
use super::serve::{self, Acceptor};
use super::{Balance, KeptBy, Stop, Stuck};
use crate::blocking::Running;
use crate::current;
use crate::handle::{Handle, RemoteTask};
use crate::net::TcpStream;
use crate::sync::oneshot;

/// The most loops there may be.
const MAX_LOOPS: usize = 1024;

/// How [`Cores`] are to be built.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    /// None: as many as the process may use processors.
    count: Option<usize>,
    /// For each reactor.
    reactor: crate::Builder,
}

impl Builder {
    /// How many loops. Default: as many processors as this process may use, by
    /// [`std::thread::available_parallelism`], which knows the limits of containers.
    pub fn count(mut self, loops: usize) -> Self {
        self.count = Some(loops);
        self
    }

    /// How each reactor is to be built.
    pub fn reactor(mut self, builder: crate::Builder) -> Self {
        self.reactor = builder;
        self
    }

    /// Starts the threads, and returns when all loops run.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no loops or more than 1,024; those of [`crate::Builder::build`], and when
    /// there are no threads left. Then none is left running.
    pub fn build(self) -> io::Result<Cores> {
        let count = self.count.unwrap_or_else(|| {
            thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_LOOPS)
        });
        if !(1..=MAX_LOOPS).contains(&count) {
            let text = format!("{count} loops asked for: give a number from 1 to {MAX_LOOPS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // Dropped on an error, which ends those that have been started.
        let mut cores = Cores {
            loops: Vec::with_capacity(count),
            live: Arc::new(Live::new(count)),
            next: AtomicUsize::new(0),
            acceptors: Mutex::default(),
        };
        for index in 0..count {
            cores.loops.push(Loop::start(index, self.reactor.clone())?);
        }
        Ok(cores)
    }
}

/// A reactor on a thread of its own.
pub(super) struct Loop {
    handle: Handle,
    /// What the closures are that the reactor waits for in the end.
    blocking: Running,
    /// Ready when the reactor is gone: all that is left to the thread is to end.
    over: oneshot::Receiver<()>,
    /// None once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Loop {
    fn start(index: usize, builder: crate::Builder) -> io::Result<Self> {
        let (send, receive) = mpsc::sync_channel(1);
        let (lives, over) = oneshot::channel();
        let run = move || {
            // Dropped last.
            let _lives = lives;
            match builder.build() {
                Ok(reactor) => {
                    if send.send(Ok((reactor.handle(), reactor.blocking_running()))).is_ok() {
                        reactor.run();
                    }
                }
                // Somebody waits for it.
                Err(error) => drop(send.send(Err(error))),
            }
        };
        let thread = thread::Builder::new().name(format!("evented-core-{index}")).spawn(run)?;
        let started = receive.recv().map_err(io::Error::other).and_then(|started| started);
        match started {
            Ok((handle, blocking)) => Ok(Self { handle, blocking, over, thread: Some(thread) }),
            Err(error) => {
                drop(thread.join());
                Err(error)
            }
        }
    }

    /// Ends the loop. Its thread is over when [`join_within`](Self::join_within) is true.
    fn shut_down(&self) {
        // If the reactor is gone, that is what was wanted.
        let _ = self.handle.shutdown();
    }

    /// Whether this is its thread, or one that it would wait for in its end.
    fn is_here(&self) -> bool {
        let here = thread::current().id();
        let is_own = self.thread.as_ref().is_some_and(|thread| thread.thread().id() == here);
        is_own || self.blocking.is_here()
    }

    /// Waits for the thread. False if the reactor is not gone after `limit`.
    pub(super) fn join_within(&mut self, limit: Duration) -> bool {
        if !self.over.wait_finished(limit) {
            return false;
        }
        if let Some(thread) = self.thread.take() {
            // The reactor contains what tasks do, so there is no panic to pass on.
            drop(thread.join());
        }
        true
    }

    /// Waits for the thread.
    fn join(&mut self) {
        while !self.join_within(Duration::MAX) {}
    }

    /// What keeps it from ending.
    pub(super) fn kept_by(&self) -> KeptBy {
        match self.handle.kept_by() {
            Ok(blocked) => blocked.map_or(KeptBy::Unknown, KeptBy::Task),
            // It is being dropped: its tasks are gone, and the pool is waited for.
            Err(_closed) => match self.blocking.places() {
                places if places.is_empty() => KeptBy::Unknown,
                places => KeptBy::Blocking(places),
            },
        }
    }
}

/// Several reactors, each on a thread of its own. See the [module](super).
///
/// Dropping it ends all of them as [`shutdown`](Self::shutdown) does with no time to finish, and waits
/// for a loop that is stuck as that does. On the thread of one of the loops nothing can be waited for:
/// they end soon after.
pub struct Cores {
    loops: Vec<Loop>,
    live: Arc<Live>,
    /// Who gets the next task.
    next: AtomicUsize,
    /// What accepts connections, on the loops.
    acceptors: Mutex<Vec<Acceptor>>,
}

/// How [`Cores::shutdown`] went, and what had gone wrong before.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Connections that had not finished when time was over.
    pub cut_off: usize,
    /// Why servers had stopped accepting before: that of a loop whose listener has failed, or where the
    /// handler has panicked while it was cloned. The last is an error of
    /// [`JoinError::Panicked`](crate::JoinError::Panicked).
    pub failures: Vec<io::Error>,
    /// Connections that a panic of the handler, or of its future, has ended.
    pub panicked: usize,
    /// The text of the first of these panics.
    pub first_panic: Option<String>,
}

impl Cores {
    /// Options for new ones.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// As many loops as this process may use processors, with default options.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// How many loops there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.loops.len()
    }

    /// Reaches one of the loops.
    ///
    /// # Panics
    ///
    /// When `index` is not less than [`len`](Self::len).
    pub fn handle(&self, index: usize) -> Handle {
        self.loops[index].handle
    }

    /// Reaches all loops, in the order of their numbers.
    pub fn handles(&self) -> impl ExactSizeIterator<Item = Handle> + Clone {
        self.loops.iter().map(|each| each.handle)
    }

    /// Spawns a task on one of the loops, which take turns. The closure must be `Send`, the future need
    /// not be; it stays on its loop.
    pub fn spawn<M, F>(&self, make: M) -> RemoteTask<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        // Only the number matters: nothing is published with it.
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.loops.len();
        self.loops[index].handle.spawn(make)
    }

    /// Accepts connections to an address, and has `handler` make a future for each, on the loop that gets
    /// it. Returns the address, in which the system has chosen a port if it was 0.
    ///
    /// The [`Stop`] tells when to finish. When there are no descriptors or no memory for a connection it is
    /// turned away or waits, see [`TcpListener::accept`](crate::net::TcpListener::accept), and the server
    /// goes on.
    ///
    /// # When the handler panics
    ///
    /// A panic of the handler, or of the future that it has made, ends that connection only: its loop, the
    /// other loops and the server go on. It is counted in the [statistics](crate::Stats::panics) of the
    /// loop and in [`Ended::panicked`], which keeps the text of the first.
    ///
    /// The handler is cloned for each connection by the loop that accepts. A panic of that ends accepting
    /// there and is one of [`Ended::failures`]. With [`Balance::Fewest`] nobody accepts any more then; with
    /// [`Balance::Kernel`] the other loops do. Connections that there are go on.
    ///
    /// The hook of [`std::panic::set_hook`] hears of all of them at once, on the thread of the loop.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    #[track_caller]
    pub fn serve<H, F>(
        &self,
        address: SocketAddr,
        balance: Balance,
        handler: H,
    ) -> io::Result<SocketAddr>
    where
        H: Fn(TcpStream, Stop) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let reached = self.handles().collect();
        let (address, acceptors) = serve::start(address, balance, &reached, &self.live, handler)?;
        self.acceptors.lock().unwrap_or_else(PoisonError::into_inner).extend(acceptors);
        Ok(address)
    }

    /// How many connections of [`serve`](Self::serve) each loop has, with those on their way to it.
    pub fn connections(&self) -> Vec<usize> {
        self.live.loads()
    }

    /// Ends everything in good order:
    ///
    /// 1. nobody accepts any more, and the addresses are free;
    /// 2. every [`Stop`] is set;
    /// 3. connections are waited for, at most `grace`;
    /// 4. the loops end, all at the same time: tasks that are left are cancelled, and closures that
    ///    [`blocking`](fn@crate::blocking) is running are waited for;
    /// 5. the threads are joined.
    ///
    /// A task, a drop or a closure that never returns makes this wait for ever: see
    /// [`shutdown_timeout`](Self::shutdown_timeout).
    ///
    /// # Panics
    ///
    /// Inside a reactor, which it would stop meanwhile, and inside [`blocking`](fn@crate::blocking) of one of
    /// these loops, which would wait for it: use a thread, or `blocking` of a reactor that is not one of these.
    /// A drop there does not panic, and waits for nobody.
    #[track_caller]
    pub fn shutdown(mut self, grace: Duration) -> Ended {
        self.assert_outside();
        // The drop joins the threads.
        let mut endless = Duration::MAX;
        self.end(grace, &mut endless)
    }

    /// As [`shutdown`](Self::shutdown), but waits no longer than `grace` for connections, and no longer
    /// than `limit` for loops: half of it at most for those that are to close their listeners, what is
    /// left for the end.
    ///
    /// A loop that is in a task all the time does not hear of the end, and cannot be ended by force: it is
    /// named, with the task, when time is over. The others have ended by then.
    ///
    /// ```
    /// use evented::cores::Cores;
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let cores = Cores::builder().count(2).build()?;
    /// let (let_it_go, waits) = mpsc::channel::<()>();
    /// let (begins, begun) = mpsc::channel();
    /// cores.spawn(move || async move {
    ///     begins.send(()).expect("somebody waits");
    ///     waits.recv() // Blocks the loop.
    /// }).detach();
    /// begun.recv().expect("it begins");
    /// let stuck = cores.shutdown_timeout(Duration::ZERO, Duration::from_millis(100)).unwrap_err();
    /// // loop 0 has not ended: task 0.1.0 of class NORMAL, spawned at src/main.rs:7:7, has kept ...
    /// println!("{stuck}");
    /// assert_eq!(stuck.loops()[0].index, 0);
    /// drop(let_it_go);
    /// stuck.wait(Duration::from_secs(60)).expect("it goes on, and ends");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Stuck`] with the loops that had not ended when time was over.
    ///
    /// # Panics
    ///
    /// As [`shutdown`](Self::shutdown).
    #[track_caller]
    pub fn shutdown_timeout(mut self, grace: Duration, limit: Duration) -> Result<Ended, Stuck> {
        self.assert_outside();
        let mut left = limit;
        let ended = self.end(grace, &mut left);
        let loops = std::mem::take(&mut self.loops).into_iter().enumerate().collect();
        Stuck::after(ended, loops, left)
    }

    /// # Panics
    ///
    /// Where its end could not be waited for.
    #[track_caller]
    fn assert_outside(&self) {
        assert!(
            current::try_engine().is_none(),
            "`shutdown` would stop the reactor that runs on this thread: call it on a thread of its own"
        );
        assert!(
            !self.loops.iter().any(Loop::is_here),
            "a loop waits in its end for what runs in its `blocking`: call `shutdown` on another thread"
        );
    }

    /// All but the last step. Listeners are waited for at most half of `limit`, from which what that has
    /// taken is taken off; what connections take is not.
    fn end(&mut self, grace: Duration, limit: &mut Duration) -> Ended {
        let acceptors =
            std::mem::take(&mut *self.acceptors.lock().unwrap_or_else(PoisonError::into_inner));
        // Dropped by one of its own tasks or closures: that thread cannot wait for itself.
        let may_wait = !self.loops.iter().any(Loop::is_here);
        let start = Instant::now();
        let failures = serve::stop(acceptors, if may_wait { *limit / 2 } else { Duration::ZERO });
        *limit = limit.saturating_sub(start.elapsed());
        self.live.request_stop();
        let cut_off = self.live.wait_empty(if may_wait { grace } else { Duration::ZERO });
        for each in &self.loops {
            each.shut_down();
        }
        let (panicked, first_panic) = self.live.panics();
        Ended { cut_off, failures, panicked, first_panic }
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        let mut endless = Duration::MAX;
        drop(self.end(Duration::ZERO, &mut endless));
        if !self.loops.iter().any(Loop::is_here) {
            self.loops.iter_mut().for_each(Loop::join);
        }
    }
}

impl fmt::Debug for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cores")
            .field("len", &self.len())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
