//! How a single process ends, for whoever waits for that.

use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::completed::Bell;

/// What the handle of a process has of the process itself. The launch fills it, the supervisor
/// notes the end.
#[derive(Debug, Default)]
pub(crate) struct Exit {
    /// The process id and a descriptor of the process, from its start on.
    process: OnceLock<(u32, OwnedFd)>,
    /// What changes.
    state: Mutex<State>,
    /// Signalled at the end.
    ended: Condvar,
}

/// What changes.
#[derive(Debug, Default)]
struct State {
    /// Set when it has ended.
    over: bool,
    /// How it has ended, unless somebody else has reaped it.
    status: Option<ExitStatus>,
    /// What it prints, if that was asked for, until somebody takes it.
    stdout: Option<ChildStdout>,
    /// What it reports, if that was asked for, until somebody takes it.
    stderr: Option<ChildStderr>,
    /// Who waits for the end among others.
    bells: Vec<Arc<Bell>>,
}

impl Exit {
    /// The process was started.
    pub(crate) fn started(
        &self,
        pid: u32,
        pidfd: OwnedFd,
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
    ) {
        let fresh = self.process.set((pid, pidfd)).is_ok();
        debug_assert!(fresh, "each process is started once");
        let mut state = self.lock();
        state.stdout = stdout;
        state.stderr = stderr;
    }

    /// The process has ended.
    pub(crate) fn note(&self, status: Option<ExitStatus>) {
        let mut state = self.lock();
        state.over = true;
        state.status = status;
        let bells = std::mem::take(&mut state.bells);
        drop(state);
        self.ended.notify_all();
        for bell in bells {
            bell.ring(0);
        }
    }

    /// Rings `bell` at the end, if that is still to come.
    pub(crate) fn ring_at_end(&self, bell: &Arc<Bell>) {
        let mut state = self.lock();
        if !state.over {
            state.bells.push(Arc::clone(bell));
        }
    }

    /// Forgets a bell that has not been rung.
    pub(crate) fn ring_no_more(&self, bell: &Arc<Bell>) {
        self.lock().bells.retain(|known| !Arc::ptr_eq(known, bell));
    }

    /// Process id and descriptor.
    pub(crate) fn process(&self) -> &(u32, OwnedFd) {
        self.process.get().expect("handles are given out after the start")
    }

    /// True when it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// How it has ended.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.lock().status
    }

    /// Waits for the end, at most until `deadline`. True when it has ended.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while !state.over {
            let left =
                deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state = match deadline {
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(_) => {
                    self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// What it prints.
    pub(crate) fn take_stdout(&self) -> Option<ChildStdout> {
        self.lock().stdout.take()
    }

    /// What it reports.
    pub(crate) fn take_stderr(&self) -> Option<ChildStderr> {
        self.lock().stderr.take()
    }

    /// No user code runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
