//! The descriptor of a process. The one place that knows the system.

#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(not(target_os = "linux"))]
pub(super) use other::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::process::Child;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec};
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal};

    /// # Errors
    ///
    /// Never, here.
    #[expect(clippy::unnecessary_wraps, reason = "other systems refuse")]
    pub(in super::super) fn check_support() -> io::Result<()> {
        Ok(())
    }

    /// The descriptor of a child that was not waited for: its number cannot mean another one yet.
    pub(in super::super) fn open(child: &Child) -> io::Result<OwnedFd> {
        let pid = Pid::from_child(child);
        rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|error| match error {
            // A child that was not waited for is there, dead or alive.
            Errno::SRCH => io::Error::other(
                "the process has ended and somebody else has waited for it, with `waitpid(-1)` or by \
                 ignoring `SIGCHLD`: nobody knows its status",
            ),
            error => error.into(),
        })
    }

    /// Sends a signal, to this very process: there is no number that could mean another one by now.
    pub(in super::super) fn send_signal(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(number).ok_or(Errno::INVAL)?;
        match rustix::process::pidfd_send_signal(fd, signal) {
            // It has ended: that is no failure of who wants it to.
            Err(Errno::SRCH) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Blocks until the process has ended, at most so long. True if it has.
    pub(in super::super) fn has_ended_within(fd: BorrowedFd<'_>, limit: Duration) -> bool {
        let mut asked = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        rustix::event::poll(&mut asked, limit.as_ref()).is_ok_and(|count| count > 0)
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::process::Child;
    use std::time::Duration;

    /// # Errors
    ///
    /// Always.
    pub(in super::super) fn check_support() -> io::Result<()> {
        let text = "child processes are waited for by pidfd, which only Linux has";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    pub(in super::super) fn open(_child: &Child) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn send_signal(_fd: BorrowedFd<'_>, _number: i32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn has_ended_within(_fd: BorrowedFd<'_>, _limit: Duration) -> bool {
        false
    }
}
