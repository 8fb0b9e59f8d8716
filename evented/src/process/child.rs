//! A child process.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::AsyncRead;
use rustix::io::Errno;

use super::{orphans, pidfd};
use crate::current;
use crate::net::io::Io;
use crate::net::{PipeReader, PipeWriter};
use crate::record::{WaitsFor, waits_for};
use crate::signal::Kind;
use crate::sources::Direction;
use crate::task::spawn;

/// How long a child that was killed is waited for when no reactor does.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// How much of an output is read at once.
const PIECE: usize = 16 * 1024;

/// A child process. See the [module](super) for what becomes of it when this is dropped.
///
/// It may be sent to another thread, but belongs to the reactor in which it first had to wait, for as long
/// as that one lives. Once it is gone, the child may be waited for in another one; its pipes, which stay
/// where they were, can be moved through [`into_blocking_fd`](PipeReader::into_blocking_fd).
pub struct Child {
    /// Standard input, if it was a pipe.
    pub stdin: Option<PipeWriter>,
    /// Standard output, if it is a pipe.
    pub stdout: Option<PipeReader>,
    /// Standard error, if it is a pipe.
    pub stderr: Option<PipeReader>,
    /// The process itself. None only while this is dropped.
    process: Option<Process>,
    /// To be killed when this is dropped.
    kill_on_drop: bool,
}

/// A process to wait for.
struct Process {
    /// Knows the exit status once the process was waited for.
    std: std::process::Child,
    /// Becomes readable when it has ended.
    pidfd: Io<OwnedFd>,
    wait: Wait,
}

/// Whether a process was waited for: from then on its number may mean another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Not yet.
    Open,
    /// Here.
    Done,
    /// By somebody else, so that nobody knows its status. The system is not asked again: that could take
    /// the status of another child.
    Stolen,
}

impl Wait {
    /// The exit status of `child`, if it has ended.
    fn ask(&mut self, child: &mut std::process::Child) -> io::Result<Option<ExitStatus>> {
        if *self == Self::Stolen {
            return Err(Errno::CHILD.into());
        }
        let status = child.try_wait();
        match &status {
            Ok(Some(_)) => *self = Self::Done,
            Err(error) if Errno::from_io_error(error) == Some(Errno::CHILD) => *self = Self::Stolen,
            _ => {}
        }
        status
    }
}

impl Process {
    /// The exit status, if it has ended.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.wait.ask(&mut self.std)
    }

    fn poll_wait(&mut self, cx: &Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let Self { std, pidfd, wait } = self;
        pidfd.leave_gone_reactor();
        let id = std.id();
        let polled = pidfd.poll_io(cx, Direction::Read, |_| {
            wait.ask(std)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        });
        if polled.is_pending() {
            waits_for(WaitsFor::Child(id));
        }
        polled
    }

    fn send_signal(&self, number: i32) -> io::Result<()> {
        if self.wait == Wait::Done {
            Ok(())
        } else {
            pidfd::send_signal(self.pidfd.socket().as_fd(), number)
        }
    }
}

impl Child {
    /// `child` was just started.
    pub(super) fn of(mut child: std::process::Child, kill_on_drop: bool) -> io::Result<Self> {
        orphans::sweep();
        match Self::prepare(&mut child) {
            Ok((pidfd, stdin, stdout, stderr)) => {
                let pidfd = Io::new(pidfd);
                let process = Some(Process { std: child, pidfd, wait: Wait::Open });
                Ok(Self { stdin, stdout, stderr, process, kill_on_drop })
            }
            Err(error) => {
                // Nobody could wait for it. If it cannot be killed, it has ended.
                drop(child.kill());
                drop(child.wait());
                Err(error)
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "three pipes, each of which may not be there")]
    fn prepare(
        child: &mut std::process::Child,
    ) -> io::Result<(OwnedFd, Option<PipeWriter>, Option<PipeReader>, Option<PipeReader>)> {
        let pidfd = pidfd::open(child)?;
        let stdin = child.stdin.take().map(PipeWriter::from_fd).transpose()?;
        let stdout = child.stdout.take().map(PipeReader::from_fd).transpose()?;
        let stderr = child.stderr.take().map(PipeReader::from_fd).transpose()?;
        Ok((pidfd, stdin, stdout, stderr))
    }

    /// The number of the process, as long as it cannot mean another one: until it was waited for.
    pub fn id(&self) -> Option<u32> {
        self.process().filter(|process| process.wait == Wait::Open).map(|process| process.std.id())
    }

    /// Waits for the end of the process, after closing [`stdin`](Self::stdin): a child that reads to the
    /// end of its input and a parent that waits for the child would wait for ever. Once it has ended,
    /// the answer is always the same. Dropping the future loses nothing.
    ///
    /// A child that writes more than a pipe holds, about 64 KiB, waits until somebody reads: take
    /// [`stdout`](Self::stdout) and [`stderr`](Self::stderr) and read them meanwhile, or use
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    ///
    /// When somebody else has waited for the process, with `waitpid(-1)` or by ignoring `SIGCHLD`: then
    /// nobody knows its status. When this waits in another reactor already, and that is alive.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    /// As [`wait`](Self::wait), for futures written by hand; `stdin` stays open.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        self.process_mut().poll_wait(cx)
    }

    /// The exit status, if the process has ended; does not wait. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process_mut().try_wait()
    }

    /// Closes standard input, reads what the process writes, to the end of both outputs, and waits for
    /// its end. All of it is kept in memory.
    ///
    /// The outputs end when *all* who have them are gone: a grandchild that goes on in the background
    /// makes this wait for it.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait) and reading.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        // Both at once: a child that fills one pipe while the other is read would wait for ever.
        poll_fn(|cx| {
            let is_out_over = poll_to_end(&mut stdout, &mut out, cx)?.is_ready();
            let is_err_over = poll_to_end(&mut stderr, &mut err, cx)?.is_ready();
            if is_out_over && is_err_over { Poll::Ready(io::Result::Ok(())) } else { Poll::Pending }
        })
        .await?;
        let status = self.wait().await?;
        Ok(Output { status, stdout: out, stderr: err })
    }

    /// Kills the process (`SIGKILL`); [`wait`](Self::wait) then tells of its end. Does nothing to one that
    /// has ended.
    ///
    /// # Errors
    ///
    /// When the system refuses: the process runs as another user.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process_mut().send_signal(signal_hook::consts::SIGKILL)
    }

    /// Sends a signal. Does nothing to a process that has ended.
    ///
    /// # Errors
    ///
    /// When there is no such signal, and as [`kill`](Self::kill).
    pub fn signal(&mut self, kind: Kind) -> io::Result<()> {
        self.process_mut().send_signal(kind.as_raw())
    }

    fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is taken by the drop only")
    }
}

/// The descriptor of the process, a pidfd.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process().expect("it is taken by the drop only").pidfd.socket().as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if process.wait != Wait::Open || !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        if self.kill_on_drop {
            // It was not waited for, so it is there, or a zombie; another user's cannot be killed.
            drop(process.send_signal(signal_hook::consts::SIGKILL));
        }
        let mut orphan = Orphan { process: Some(process), was_killed: self.kill_on_drop };
        if current::try_engine().is_some() {
            // Should the task be cancelled, the orphan's drop takes care.
            spawn(async move { poll_fn(|cx| orphan.poll_end(cx)).await }).detach();
        }
    }
}

/// A process that nobody asks for any more. If this is dropped before it has ended, it is remembered.
struct Orphan {
    /// None once it was waited for.
    process: Option<Process>,
    /// Its end is a matter of the kernel alone.
    was_killed: bool,
}

impl Orphan {
    fn poll_end(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(process) = &mut self.process else { return Poll::Ready(()) };
        match process.poll_wait(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(_)) => {
                self.process = None;
                Poll::Ready(())
            }
            // It waits on another thread: to be remembered.
            Poll::Ready(Err(_)) => Poll::Ready(()),
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let may_have_ended = !self.was_killed
                || pidfd::has_ended_within(process.pidfd.socket().as_fd(), KILL_LIMIT);
            if !may_have_ended || matches!(process.try_wait(), Ok(None)) {
                orphans::add(process.std);
            }
        }
        orphans::sweep();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("kill_on_drop", &self.kill_on_drop)
            .finish_non_exhaustive()
    }
}

/// Reads until the end of the data or until there is none. A pipe that is over is dropped.
fn poll_to_end(
    pipe: &mut Option<PipeReader>,
    data: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while let Some(reader) = pipe {
        let had = data.len();
        data.resize(had + PIECE, 0);
        let read = std::pin::Pin::new(reader).poll_read(cx, &mut data[had..]);
        let count = if let Poll::Ready(Ok(count)) = read { count } else { 0 };
        data.truncate(had + count);
        match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(0)) => *pipe = None,
            Poll::Ready(Ok(_)) => {}
        }
    }
    Poll::Ready(Ok(()))
}
