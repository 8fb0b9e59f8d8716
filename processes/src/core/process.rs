//! A worker process as the parent sees it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ipc_channel::IpcError;
use ipc_channel::ipc::{IpcBytesSender, IpcOneShotServer};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, waitid,
};

use crate::arena::Arena;
use crate::board::Board;
use crate::call::{Argument, Call};
use crate::control::{Control, Down};
use crate::error::JoinError;
use crate::exit::Exit;
use crate::segment::{Segment, SegmentId};
use crate::shortage;
use crate::unwind;
use crate::worker;

use super::seat::Obstacle;
use super::stderr::Tail;

/// The server to which a starting worker sends the far end of its calls' channel.
pub(super) type Server = IpcOneShotServer<IpcBytesSender>;

/// Why a worker is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doom {
    /// Somebody asked for it.
    Killed,
    /// The call ran longer than this.
    TimedOut(Duration),
}

/// How a worker ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// What the kernel said; none when somebody else reaped it.
    status: Option<ExitStatus>,
}

/// A live (or just dead) worker process.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(super) struct Process {
    /// The child; reaped by `wait`.
    pub(super) child: Child,
    /// Becomes readable when it dies; signals through it cannot hit another process.
    pub(super) pidfd: OwnedFd,
    /// The parent's end of the control socket.
    pub(super) control: Arc<Control>,
    /// How much may be in flight to it, see [`super::seat`].
    pub(super) credit: usize,
    /// The claim board.
    pub(super) board: Board,
    /// Waits for the worker's channel; taken when it is ready.
    pub(super) server: Option<ServerSlot>,
    /// Calls go in here; none before the worker is ready and after it was told to leave.
    pub(super) calls: Option<IpcBytesSender>,
    /// True once it was ready.
    pub(super) ready: bool,
    /// When it is killed unless it is ready (starting) or gone (leaving).
    pub(super) deadline_ns: Option<u64>,
    /// Segments it has, each by the mapping that was sent last; dead ones are announced with the next
    /// send, and when they were large.
    known: HashMap<SegmentId, Weak<Segment>>,
    /// Its end; none while it lives.
    pub(super) ended: Option<End>,
    /// Set when it was reaped: nothing more comes into its ring.
    pub(super) gone: Arc<AtomicBool>,
    /// True when every result it published has been read.
    pub(super) drained: bool,
    /// What it said when it refused to serve.
    pub(super) refusal: Option<String>,
    /// True once it finished a call.
    pub(super) useful: bool,
    /// Where its end is noted, if it has a handle of its own.
    pub(super) exit: Option<Arc<Exit>>,
    /// What it writes to its standard error, if that is kept.
    pub(super) tail: Option<Tail>,
    /// How many calls it may still be sent; none: any number.
    pub(super) calls_left: Option<u64>,
    /// Whether it sees the arena of the pool.
    pub(super) sees_arena: bool,
}

/// `IpcOneShotServer` has no `Debug`.
pub(super) struct ServerSlot(pub(super) Server);

impl ServerSlot {
    /// The channel of a worker that said it had sent it; so this does not block.
    ///
    /// # Errors
    /// Why it did not arrive: this process has no descriptor left for it, or the message makes no
    /// sense. ipc-channel 0.23.1 panics when descriptors are missing (an index out of bounds in
    /// `deserialize_os_ipc_sender`), and the supervisor has to survive that, though it sees to it
    /// that they are there ([`super::spare`]).
    pub(super) fn accept(self) -> Result<IpcBytesSender, String> {
        let missing = |error: io::Error| {
            format!("its channel could not be received: {}", shortage::explain_start(error))
        };
        match catch_unwind(AssertUnwindSafe(|| self.0.accept())) {
            Ok(Ok((_once, calls))) => Ok(calls),
            Ok(Err(IpcError::Io(error))) => Err(missing(error)),
            Ok(Err(error)) => Err(format!("it sent no channel: {error}")),
            Err(payload) => {
                unwind::discard(payload);
                Err(missing(Errno::MFILE.into()))
            }
        }
    }
}

impl std::fmt::Debug for ServerSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IpcOneShotServer")
    }
}

impl Process {
    /// A worker that was just started.
    pub(super) fn new(
        child: Child,
        pidfd: OwnedFd,
        control: Control,
        credit: usize,
        board: Board,
        server: Server,
        deadline_ns: u64,
    ) -> Self {
        Self {
            child,
            pidfd,
            credit,
            control: Arc::new(control),
            board,
            server: Some(ServerSlot(server)),
            calls: None,
            ready: false,
            deadline_ns: Some(deadline_ns),
            known: HashMap::new(),
            ended: None,
            gone: Arc::new(AtomicBool::new(false)),
            drained: true,
            refusal: None,
            useful: false,
            exit: None,
            tail: None,
            calls_left: None,
            sees_arena: false,
        }
    }

    /// Reaps it: it has ended. What its calls have started and not waited for ends with it, unless it
    /// was told to leave. The status is none when somebody else in this program has reaped our child (a
    /// handler of SIGCHLD, or the kernel because the signal is ignored): its status is lost.
    pub(super) fn reap(&mut self) {
        if self.calls.is_some() {
            self.kill_group();
        }
        let status = self.child.wait().ok();
        self.ended = Some(End { status });
        self.gone.store(true, Ordering::Release);
        if let Some(exit) = &self.exit {
            exit.note(status);
        }
    }

    /// Sends SIGKILL to it and to what its calls have started; a process that is already dead is
    /// left alone.
    pub(super) fn kill(&self) {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(_) => {}
        }
        self.kill_group();
    }

    /// Sends SIGKILL to its process group, if it is still there to hold the group's number: alive,
    /// or dead and not reaped.
    fn kill_group(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if self.ended.is_some() || waitid(WaitId::PidFd(self.pidfd.as_fd()), options).is_err() {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It fails for a group that does not exist: user code has left it.
        let (Ok(()) | Err(_)) =
            kill_process_group(pid.expect("a child has a positive pid"), Signal::KILL);
    }

    /// Sends ahead what the frame of `call` refers to, without blocking. What is not yet where the
    /// worker, which sees this arena or none, would find it, is put there.
    ///
    /// # Errors
    /// See [`Obstacle`].
    pub(super) fn send_ahead(
        &mut self,
        call: &mut Call,
        arena: Option<&Arc<Arena>>,
    ) -> Result<(), Obstacle> {
        call.set_out(arena).map_err(Obstacle::Unready)?;
        if let Argument::Sealed(id, _end) = &mut call.argument {
            // It may be taken back, and sent to the same worker again before that has skipped it: each
            // sending has a number of its own.
            *id = id.wrapping_add(1);
        }
        Ok(self.send_descriptors(call)?)
    }

    /// Sends the descriptors that belong to `call`.
    pub(super) fn send_descriptors(&mut self, call: &Call) -> io::Result<()> {
        for segment in &call.handles {
            match self.known.get_mut(&segment.id()) {
                Some(known) if known.as_ptr() == Arc::as_ptr(segment) => {}
                // The memory is mapped anew under its old name: as long as this mapping is used, the
                // worker is not told to forget it.
                Some(known) => {
                    segment.note_sent();
                    *known = Arc::downgrade(segment);
                }
                None => {
                    self.forget_dead()?;
                    let message = Down::Segment(segment.id());
                    self.control.send(&message, Some(segment.fd()), false)?;
                    segment.note_sent();
                    self.known.insert(segment.id(), Arc::downgrade(segment));
                }
            }
        }
        if let Argument::Sealed(id, end) = &call.argument {
            self.control.send(&Down::Payload(*id), Some(end.fd.as_fd()), false)?;
        }
        Ok(())
    }

    /// The worker may not have got what was sent ahead of this call: it is sent again with the next one.
    pub(super) fn mistrust(&mut self, call: &Call) {
        for segment in &call.handles {
            self.known.remove(&segment.id());
        }
    }

    /// Tells the worker which segments nobody here uses any more.
    ///
    /// # Errors
    /// The socket is full, or the worker is gone.
    pub(super) fn forget_dead(&mut self) -> io::Result<()> {
        let dead: Vec<_> = self
            .known
            .iter()
            .filter(|(_id, segment)| segment.strong_count() == 0)
            .map(|(&id, _segment)| id)
            .collect();
        for id in dead {
            self.control.send(&Down::Forget(id), None, false)?;
            self.known.remove(&id);
        }
        Ok(())
    }

    /// What a call that this dead worker was executing resolves to.
    pub(super) fn verdict(&self, doom: Option<Doom>) -> JoinError {
        use std::os::unix::process::ExitStatusExt;
        match doom {
            None if let Some(reason) = &self.refusal => {
                JoinError::Broken { reason: reason.clone() }
            }
            Some(Doom::TimedOut(limit)) => JoinError::TimedOut { limit },
            Some(Doom::Killed) | None => {
                let status = self.ended.and_then(|end| end.status);
                JoinError::WorkerLost {
                    pid: self.child.id(),
                    signal: status.and_then(|status| status.signal()),
                    exit_code: status.and_then(|status| status.code()),
                    stderr: self.tail.as_ref().map(Tail::text).unwrap_or_default(),
                }
            }
        }
    }

    /// Why it never became ready.
    pub(super) fn start_failure(&self) -> String {
        let said = self.tail.as_ref().map(Tail::text).unwrap_or_default();
        let said = said.trim_end();
        let reason = self.start_failure_alone();
        if said.is_empty() { reason } else { format!("{reason}; it wrote: {said}") }
    }

    /// As [`start_failure`](Self::start_failure), without what it wrote.
    fn start_failure_alone(&self) -> String {
        match (&self.refusal, &self.ended) {
            (Some(refusal), _) => refusal.clone(),
            // Not killed: it has run through `main`, or left it.
            (None, Some(End { status: Some(status) }))
                if status.code().is_some() && !worker::is_hooked() =>
            {
                format!(
                    "a worker ended before it was ready ({status}): its `main`, which is called \
                     without arguments, did not come to `processes::init()`, which is to be its \
                     first line"
                )
            }
            (None, Some(End { status: Some(status) })) => {
                format!("a worker ended before it was ready ({status})")
            }
            (None, _) => "a worker ended before it was ready".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Core};
    use super::*;
    use crate::Queue;

    #[test]
    fn a_segment_that_is_mapped_anew_is_taken_leave_of_like_any_other() {
        let grace = Duration::from_secs(30);
        let (core, threads) = Core::start(Config::new("anew", 1 << 20, grace)).unwrap();
        core.open_seats(1).unwrap();
        let queue = Queue::<u8>::bounded(1).unwrap();
        let function: fn(Queue<u8>) = drop;
        let (call, _ticket) = Call::new(function, &queue, core.ways(), None).unwrap();
        let segment = Arc::clone(&call.handles[0]);
        let mut state = core.lock();
        let process = state.seats[0].process.as_mut().expect("it was started");
        // The worker has it, as its name was that of a mapping that is gone.
        process.known.insert(segment.id(), Weak::new());
        process.send_descriptors(&call).unwrap();
        assert!(segment.is_sent(), "nobody is told when it is dropped");
        process.known.remove(&segment.id());
        drop(state);
        core.close(false);
        threads.join();
    }
}
