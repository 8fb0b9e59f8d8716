//! Processes whose parent has died.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use super::tree;

/// An orphan that has ended and was waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reaped {
    /// Its id, which may be given to another process from now on.
    pub pid: Pid,
    /// How it ended.
    pub status: ExitStatus,
}

/// Makes the calling process the parent of all descendants whose own parent dies
/// (`PR_SET_CHILD_SUBREAPER`), so that what a crashed host leaves behind can be seen, counted,
/// ended and waited for. Holds until the process ends and is not inherited.
///
/// # Errors
///
/// Not supported on this platform.
#[cfg(target_os = "linux")]
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Makes the calling process the parent of orphaned descendants: not supported on this platform.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn become_subreaper() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "adopt orphaned processes: not supported on this platform",
    ))
}

/// The children of the calling process that it has not started itself: those it has adopted. Some
/// of them may have ended.
///
/// `started` must name every child that the process has started and not yet waited for.
pub fn orphans(started: &[Pid]) -> Vec<Pid> {
    let mut children = tree::children(getpid());
    children.retain(|child| !started.contains(child));
    children
}

/// Waits for the [`orphans`] that have ended, without blocking. The caller goes on as long as this
/// finds some: an orphan that has ended may leave new ones.
///
/// `started` must name every child that the process has started and not yet waited for: whoever
/// started one waits for it and would find nothing. In a process that starts children in several
/// threads, nothing may be started during the call.
///
/// The CPU time of an orphan that was waited for is lost to the tree that it came from; take the
/// last [`CpuSnapshot`](super::CpuSnapshot) first.
pub fn reap_orphans(started: &[Pid]) -> Vec<Reaped> {
    orphans(started)
        .into_iter()
        .filter_map(|pid| {
            let (pid, status) = waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
            Some(Reaped { pid, status: ExitStatus::from_raw(status.as_raw()) })
        })
        .collect()
}
