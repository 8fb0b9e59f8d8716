//! A process of its own for one function: how it is started, and its handle.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Signal, pidfd_send_signal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::confines::Limit;
use crate::error::JoinError;
use crate::exit::Exit;
use crate::handle::JoinHandle;
use crate::setup::{EnvChange, Setup};
use crate::spawn;

/// Settings of a process that is to be started for one function.
///
/// ```
/// use std::io::Read;
/// use std::process::Stdio;
///
/// use processes::{Limit, ProcessBuilder};
///
/// let builder = ProcessBuilder::new()
///     .name("greeter")
///     .env("WHO", "world")
///     .cwd("/")
///     .stdout(Stdio::piped())
///     .rlimit(Limit::CoreDump, 0)
///     .nice(5);
/// let greet = |greeting: String| println!("{greeting}, {}!", std::env::var("WHO").unwrap());
/// let mut process = builder.spawn(greet, "Hello".to_owned())?;
/// let mut said = String::new();
/// process.take_stdout().expect("it is piped").read_to_string(&mut said)?;
/// process.join()?;
/// assert_eq!(said, "Hello, world!\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Its standard input is empty; pass what it needs as the argument, or in a
/// [`Queue`](crate::Queue).
#[derive(Debug, Default)]
#[must_use = "settings do nothing until `spawn`"]
pub struct ProcessBuilder {
    /// The settings so far.
    setup: Setup,
}

impl ProcessBuilder {
    /// Settings as those of [`spawn`](crate::spawn()).
    pub fn new() -> Self {
        Self::default()
    }

    /// The name, which `ps` shows.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.setup.name = Some(name.into());
        self
    }

    /// Sets a variable of its environment, which otherwise is that of this process.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.setup.env.push(EnvChange::Set(key.into(), value.into()));
        self
    }

    /// Leaves a variable out of its environment.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.setup.env.push(EnvChange::Remove(key.into()));
        self
    }

    /// Leaves everything out of its environment that was there so far.
    pub fn env_clear(mut self) -> Self {
        self.setup.env.push(EnvChange::Clear);
        self
    }

    /// Where it runs, if not where this process does.
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.setup.cwd = Some(folder.into());
        self
    }

    /// Where its output goes, if not where that of this process does. With [`Stdio::piped`], see
    /// [`Process::take_stdout`].
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.setup.stdout = Some(to.into());
        self
    }

    /// Where its error output goes, if not where that of this process does. With
    /// [`Stdio::piped`], see [`Process::take_stderr`].
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.setup.stderr = Some(to.into());
        self
    }

    /// How much of a resource it may have; for units, and what happens beyond, see [`Limit`]. It
    /// cannot raise the limit itself.
    pub fn rlimit(mut self, limit: Limit, amount: u64) -> Self {
        self.setup.confines.limits.insert(limit, amount);
        self
    }

    /// How ready it is to let others run: 19 most, -20 least. Less than that of this process needs
    /// a privilege.
    pub fn nice(mut self, nice: i32) -> Self {
        self.setup.confines.nice = Some(nice);
        self
    }

    /// The processors it may run on, by number from 0 on.
    pub fn affinity(mut self, processors: impl IntoIterator<Item = usize>) -> Self {
        self.setup.confines.affinity = Some(processors.into_iter().collect());
        self
    }

    /// Starts a process that calls `f(x)` and ends with it. It dies with this process.
    ///
    /// # Errors
    /// - `InvalidInput`: a setting that cannot be (a limit above this process's own hard one, a
    ///   niceness beyond -20 to 19, no processors, a name with a NUL byte, a variable's name with
    ///   `=`), or an argument that cannot be encoded; then the [`JoinError`] is inside.
    /// - The folder is none.
    /// - As [`Builder::build`](crate::Builder::build).
    ///
    /// What only the new process can find out (a niceness that needs a privilege, processors
    /// that do not exist) is [`JoinError::Broken`] when it is joined; `f` was not called then.
    pub fn spawn<A, R>(mut self, f: fn(A) -> R, x: A) -> io::Result<Process<R>>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.setup.check()?;
        let name = self.setup.name.clone();
        let exit = Arc::new(Exit::default());
        self.setup.exit = Some(Arc::clone(&exit));
        let handle = spawn::start(f, x, self.setup)?;
        Ok(Process { handle, name, exit })
    }
}

/// The handle of a process that calls one function.
///
/// Dropping it detaches the process, which then ends at the latest with this one. As a descriptor
/// ([`AsFd`]) it becomes readable when the process has ended, so it can sit in a reactor.
#[must_use = "dropping it detaches the process; join it, or drop it explicitly"]
pub struct Process<R> {
    /// Waits for the result.
    handle: JoinHandle<R>,
    /// The name it was given.
    name: Option<String>,
    /// The process itself.
    exit: Arc<Exit>,
}

impl<R> Process<R> {
    /// The process itself, and its call.
    pub(crate) fn parts(&self) -> (&Exit, &JoinHandle<R>) {
        (&self.exit, &self.handle)
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its process id. Once it has ended, another process may have that.
    pub fn pid(&self) -> u32 {
        self.exit.process().0
    }

    /// Kills it at once (SIGKILL), whatever it is doing. False when it has ended before.
    pub fn kill(&self) -> bool {
        self.signal(Signal::KILL)
    }

    /// Asks it to end (SIGTERM), which it does at once unless its code has another idea of that.
    /// False when it has ended before.
    pub fn terminate(&self) -> bool {
        self.signal(Signal::TERM)
    }

    /// Sends a signal, which cannot reach another process.
    fn signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.exit.process().1, signal).is_ok()
    }

    /// How the process has ended; none while it goes on. Success when its function returned or
    /// panicked: then the process itself did well.
    ///
    /// Also none when somebody else in this program took the status away, by waiting for any child
    /// or by ignoring SIGCHLD.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.exit.status()
    }

    /// Whether the process has ended.
    pub fn is_finished(&self) -> bool {
        self.exit.is_over() && self.handle.is_finished()
    }

    /// The opposite of [`is_finished`](Self::is_finished).
    pub fn is_alive(&self) -> bool {
        !self.is_finished()
    }

    /// Waits until the process has ended (true), but not longer than `limit` (false). Takes
    /// nothing, so several threads can wait.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        let deadline = Instant::now().checked_add(limit);
        self.exit.wait(deadline)
            && self.handle.wait_timeout(deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            }))
    }

    /// What it prints, if [`ProcessBuilder::stdout`] said that it is piped; once.
    ///
    /// A process that prints more than a pipe takes (64 KiB) waits until somebody reads: read
    /// before `join`.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.exit.take_stdout()
    }

    /// What it prints as errors, as [`take_stdout`](Self::take_stdout).
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.exit.take_stderr()
    }

    /// A handle of the call alone, as [`spawn`](crate::spawn()) gives, for use with
    /// [`as_completed`](crate::as_completed).
    pub fn into_handle(self) -> JoinHandle<R> {
        self.handle
    }
}

impl<R: DeserializeOwned> Process<R> {
    /// Waits for the end of the process, and gives what its function returned. A process that
    /// does not end 5 s after its function did (an exit handler hangs) is killed.
    ///
    /// # Errors
    /// Every way a call can fail, see [`JoinError`].
    ///
    /// # Panics
    /// If the result's own `Deserialize` panics.
    pub fn join(self) -> Result<R, JoinError> {
        self.exit.wait(None);
        self.handle.join()
    }

    /// As [`join`](Self::join), but gives the handle back when the time is over.
    ///
    /// # Errors
    /// The handle itself, when the process has not ended in time.
    ///
    /// # Panics
    /// As [`join`](Self::join).
    pub fn join_timeout(self, limit: Duration) -> Result<Result<R, JoinError>, Self> {
        if self.wait_timeout(limit) { Ok(self.join()) } else { Err(self) }
    }

    /// As [`join`](Self::join), but gives the handle back when the process goes on.
    ///
    /// # Errors
    /// The handle itself, when the process has not ended.
    ///
    /// # Panics
    /// As [`join`](Self::join).
    pub fn try_join(self) -> Result<Result<R, JoinError>, Self> {
        if self.is_finished() { Ok(self.join()) } else { Err(self) }
    }
}

impl<R> AsFd for Process<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exit.process().1.as_fd()
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("pid", &self.pid())
            .field("exit_status", &self.exit_status())
            .finish_non_exhaustive()
    }
}
