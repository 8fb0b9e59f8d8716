//! The threads and their reactors.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::live::Live;
use super::serve::{self, Acceptor};
use super::{Balance, Stop};
use crate::current;
use crate::handle::{Handle, RemoteTask};
use crate::net::TcpStream;

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
struct Loop {
    handle: Handle,
    /// None once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Loop {
    fn start(index: usize, builder: crate::Builder) -> io::Result<Self> {
        let (send, receive) = mpsc::sync_channel(1);
        let run = move || match builder.build() {
            Ok(reactor) => {
                if send.send(Ok(reactor.handle())).is_ok() {
                    reactor.run();
                }
            }
            // Somebody waits for it.
            Err(error) => drop(send.send(Err(error))),
        };
        let thread = thread::Builder::new().name(format!("evented-core-{index}")).spawn(run)?;
        let handle = receive.recv().map_err(io::Error::other).and_then(|started| started);
        match handle {
            Ok(handle) => Ok(Self { handle, thread: Some(thread) }),
            Err(error) => {
                drop(thread.join());
                Err(error)
            }
        }
    }

    /// Ends the loop. Its thread is over when [`join`](Self::join) returns.
    fn shut_down(&self) {
        // If the reactor is gone, that is what was wanted.
        let _ = self.handle.shutdown();
    }

    /// Whether this is its thread.
    fn is_here(&self) -> bool {
        let here = thread::current().id();
        self.thread.as_ref().is_some_and(|thread| thread.thread().id() == here)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The reactor contains what tasks do, so there is no panic to pass on.
            drop(thread.join());
        }
    }
}

/// Several reactors, each on a thread of its own. See the [module](super).
///
/// Dropping it ends all of them as [`shutdown`](Self::shutdown) does with no time to finish. On the thread
/// of one of the loops nothing can be waited for: they end soon after.
pub struct Cores {
    loops: Vec<Loop>,
    live: Arc<Live>,
    /// Who gets the next task.
    next: AtomicUsize,
    /// What accepts connections, on the loops.
    acceptors: Mutex<Vec<Acceptor>>,
}

/// How [`Cores::shutdown`] went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Connections that had not finished when time was over.
    pub cut_off: usize,
    /// Why servers had stopped accepting before.
    pub failures: Vec<io::Error>,
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
    /// The [`Stop`] tells when to finish. A panic of the future ends the connection, and is counted in
    /// the statistics of its loop. When there are no descriptors or no memory for a connection it is
    /// turned away or waits, see [`TcpListener::accept`](crate::net::TcpListener::accept), and the server
    /// goes on.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
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
    /// # Panics
    ///
    /// Inside a reactor, which it would stop meanwhile: use a thread, or
    /// [`blocking`](fn@crate::blocking).
    pub fn shutdown(mut self, grace: Duration) -> Ended {
        assert!(
            current::try_engine().is_none(),
            "`shutdown` would stop the reactor that runs on this thread: call it inside `blocking`"
        );
        self.end(grace)
    }

    fn end(&mut self, grace: Duration) -> Ended {
        let acceptors =
            std::mem::take(&mut *self.acceptors.lock().unwrap_or_else(PoisonError::into_inner));
        // Dropped by one of its own tasks: that thread cannot wait for itself.
        let may_wait = !self.loops.iter().any(Loop::is_here);
        let failures = serve::stop(acceptors, may_wait);
        self.live.request_stop();
        let cut_off = self.live.wait_empty(if may_wait { grace } else { Duration::ZERO });
        for each in &self.loops {
            each.shut_down();
        }
        if may_wait {
            self.loops.iter_mut().for_each(Loop::join);
        }
        Ended { cut_off, failures }
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        drop(self.end(Duration::ZERO));
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
