//! What ends a worker whose parent is gone: the kernel, and the worker's second thread.
//!
//! The kernel sends SIGKILL to the worker's process group when the parent's descriptors are closed
//! (see `core::lifeline`), so also children that calls have started go. `PR_SET_PDEATHSIG` would
//! fire when the parent's *thread* that started the worker ends, so it is not used.
//!
//! The thread reads the control socket: the main thread executes user code, for as long as that
//! takes, so it cannot receive descriptors. It too notices the parent's end, in case that came
//! while the worker started.
//!
//! This is one of the crate's few files with unsafe code: it calls `_exit` and `fcntl`.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Signal, getpgrp, getpid, kill_process_group};

use crate::control::{Control, Down};
use crate::scope::arrivals;

/// The exit code of a worker whose parent died; nobody is left to see it.
const EXIT_ORPHAN: i32 = 71;

/// The command that chooses the signal, which `libc` lacks; the same on all architectures.
const F_SETSIG: i32 = 10;

/// From now on the end of the parent is the end of this process and of its group.
///
/// # Errors
/// The kernel's. The lifeline has to be opened anew, for which `/proc` is needed.
pub(super) fn hold(lifeline: &OwnedFd) -> io::Result<()> {
    // Whom the kernel signals is a property of the open file, which all workers of the pool share.
    // A pipe without a writer is opened at once, too.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", lifeline.as_raw_fd());
    let mine = open(path, flags, Mode::empty())?;
    let group = getpgrp();
    for (command, argument) in [
        (F_SETSIG, libc::SIGKILL),
        (libc::F_SETOWN, -group.as_raw_nonzero().get()),
        (libc::F_SETFL, libc::O_NONBLOCK | libc::O_ASYNC),
    ] {
        // SAFETY: the descriptor is open, and each of these commands takes a number.
        if unsafe { libc::fcntl(mine.as_raw_fd(), command, argument) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // If the parent ended before that, there is no writer left: the end of the file.
    if rustix::io::read(&mine, &mut [0_u8]) == Ok(0) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    // For the life of the process.
    let _mine = mine.into_raw_fd();
    Ok(())
}

/// Starts the watchdog.
///
/// # Errors
/// No thread can be started.
pub(super) fn start(socket: Arc<Control>) -> io::Result<()> {
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch(&socket)).map(drop)
}

/// Reads until the parent is gone.
fn watch(socket: &Control) {
    loop {
        match socket.receive::<Down>(true) {
            Ok(Some((Down::Segment(id), Some(fd)))) => {
                if arrivals().add_segment(id, fd).is_err() {
                    arrivals().lose(id);
                }
            }
            Ok(Some((Down::Payload(id), Some(fd)))) => arrivals().add_payload(id, fd),
            Ok(Some((Down::Forget(id), _))) => arrivals().forget(id),
            // The call that needs it fails at once.
            Ok(Some((Down::Segment(id) | Down::Payload(id), None))) => arrivals().lose(id),
            // They are sent once, at the start.
            Ok(Some((
                Down::Boot { .. } | Down::Doorbell(_) | Down::Lifeline | Down::Arena(_),
                _,
            ))) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            Ok(None) | Err(_) => {
                // The kernel is about to do it; but not if this process ends before.
                kill_own_group();
                // At once, also in the middle of a call: no destructors, no exit handlers.
                exit_now(EXIT_ORPHAN)
            }
        }
    }
}

/// Kills this process and its group, unless user code has put it into somebody else's.
fn kill_own_group() {
    let me = getpid();
    if getpgrp() == me {
        // It fails only for a group that does not exist.
        let (Ok(()) | Err(_)) = kill_process_group(me, Signal::KILL);
    }
}

/// Ends the process without running anything else in it.
fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}
