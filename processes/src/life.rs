//! The life of one process, told apart from every other that has or will have its number.
//!
//! A process id may belong to another process later; the moment at which a process was started
//! does not. Both together name a life to all processes of the machine that see the same `/proc`.

use std::fs;
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};

use crate::{forks, worker};

/// The process in which something was made.
///
/// A child that user code has forked, without executing a program, has copies of everything, and drops
/// them. What such a drop does in shared memory, or waits for, must be done by the process only whose it
/// is: the copies are of no consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(forks::pid())
    }

    /// In tests: another one, as in a child that was forked.
    #[cfg(test)]
    pub(crate) fn elsewhere() -> Self {
        Self(0)
    }

    /// False in a child that was forked since.
    pub(crate) fn is_here(self) -> bool {
        self == Self::here()
    }
}

/// The life of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// Its number.
    pub(crate) pid: u32,
    /// When it was started, in the kernel's ticks; 0 if `/proc` does not say.
    pub(crate) started: u64,
}

impl Life {
    /// That of this process.
    pub(crate) fn own() -> Self {
        static OWN: OnceLock<Life> = OnceLock::new();
        let pid = forks::pid();
        let new = || Self { pid, started: started(pid).unwrap_or(0) };
        let own = *OWN.get_or_init(new);
        // A child that was forked has a life of its own.
        if own.pid == pid { own } else { new() }
    }

    /// That of the process that started this one, if this is a worker: it does not outlive that.
    pub(crate) fn parent() -> Option<Self> {
        static PARENT: OnceLock<Option<Life>> = OnceLock::new();
        *PARENT.get_or_init(|| {
            let pid = getppid().filter(|_| worker::depth() > 0)?.as_raw_nonzero().get();
            let pid = u32::try_from(pid).ok()?;
            Some(Self { pid, started: started(pid).unwrap_or(0) })
        })
    }

    /// Kills it. False when it has ended, or this process may not.
    pub(crate) fn kill(self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        // The descriptor keeps the number from being given away between the look and the signal.
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        !self.is_over() && pidfd_send_signal(&pidfd, Signal::KILL).is_ok()
    }

    /// True when it has ended. False when it goes on, or when nobody can tell: no descriptor is
    /// left to look with.
    pub(crate) fn is_over(self) -> bool {
        if self == Self::own() {
            return false;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return true };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            // Nobody has the number, or only a thread of another process has.
            Err(error) => return matches!(error, Errno::SRCH | Errno::INVAL),
        };
        // Read while the descriptor keeps the number from being given away again, unless the
        // process is gone, which the descriptor then says.
        let another =
            self.started != 0 && started(self.pid).is_some_and(|time| time != self.started);
        let mut watched = [PollFd::new(&pidfd, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        another || poll(&mut watched, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

/// When a process was started, in ticks since the machine was.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything. Start time is field 22; the first after
    // the name is field 3.
    stat.rsplit_once(')')?.1.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_living_and_the_dead() {
        let own = Life::own();
        assert!(own.started > 0);
        assert!(!own.is_over());
        let impostor = Life { started: own.started + 1, ..own };
        assert!(impostor.is_over(), "another process has that number now");
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let life = Life { pid: child.id(), started: started(child.id()).unwrap() };
        assert!(!life.is_over());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(life.is_over());
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let life = Life { pid: child.id(), started: started(child.id()).unwrap() };
        drop(child.stdin.take());
        let begin = std::time::Instant::now();
        while !life.is_over() {
            assert!(begin.elapsed().as_secs() < 30, "it has ended, and nobody has reaped it");
            std::thread::yield_now();
        }
        assert!(child.wait().unwrap().success());
    }
}
