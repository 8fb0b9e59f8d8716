//! The worker's side: how a re-executed program becomes a worker, and what it does then.
//!
//! The parent starts its own image with [`MARKER`] in the environment and the control socket as
//! stdin. [`enter`] is called by the start-up hook before `main`, or by [`init`] at its start. It
//! removes the marker before any user code runs, so that a program that a call starts is an
//! ordinary program again, moves the socket to a close-on-exec descriptor, reopens stdin on
//! `/dev/null`, shakes hands and serves calls until the parent closes the channel. It never
//! returns in a worker.
//!
//! This is one of the crate's few files with unsafe code: it changes the environment and the
//! disposition of SIGPIPE while there is only one thread.

mod arguments;
mod serve;
mod watchdog;

#[cfg(test)]
pub(crate) use arguments::Arguments;
pub(crate) use serve::{report, shorten};

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ipc_channel::ipc::{self, IpcBytesReceiver, IpcSender};

use crate::arena::lend::Lender;
use crate::arena::{Window, holds};
use crate::board::Board;
use crate::call::Init;
use crate::control::{Control, Down, Up};
use crate::doorbell::Doorbell;
use crate::error::NotInitialised;
use crate::image;
use crate::results::{BOARD_AND_RING_BYTES, Writer};
use crate::scope::arrivals;
use crate::segment::Segment;
use crate::shortage;

/// The environment variable that says: this process is a worker.
pub(crate) const MARKER: &str = "TRIPTYCH_PROCESSES_WORKER";

/// The marker's value: the version of the handshake.
pub(crate) const MARKER_VALUE: &str = "1";

/// Pools may be nested this deep: a program's pool, a pool in its workers, and so on.
pub const MAX_DEPTH: u32 = 4;

/// The exit code of a worker that could not even say why it cannot serve.
const EXIT_UNUSABLE: i32 = 70;

/// True once `enter` has run: a re-executed copy of this program will become a worker.
static INITIALISED: AtomicBool = AtomicBool::new(false);

/// True when that was the start-up hook's doing, and not that of [`init`].
static HOOKED: AtomicBool = AtomicBool::new(false);

/// How many pools are above this process.
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// Makes the program able to start workers. With the default feature `auto-init` there is no
/// need to call it.
///
/// Without the feature it must be the first line of `main`: in a worker it does not return, and
/// everything before it is executed in every worker too. Calling it more than once is harmless.
pub fn init() {
    enter();
}

/// The start-up hook: runs before `main`.
///
/// What is different there: SIGPIPE is at its default (it is set to be ignored, as std does), and
/// std has not installed its stack-overflow handler, so an overflow in a worker is a plain
/// SIGSEGV.
#[cfg(feature = "auto-init")]
#[ctor::ctor(unsafe)]
fn hook() {
    /// Set to `0`, this environment variable switches the hook off at run time.
    const AUTO_INIT: &str = "TRIPTYCH_PROCESSES_AUTO_INIT";
    if std::env::var_os(AUTO_INIT).is_none_or(|value| value != "0") {
        HOOKED.store(true, Ordering::Relaxed);
        enter();
    }
}

/// True when a re-executed copy of this program becomes a worker before its `main`.
pub(crate) fn is_hooked() -> bool {
    HOOKED.load(Ordering::Relaxed)
}

/// How many pools are above this process.
pub(crate) fn depth() -> u32 {
    DEPTH.load(Ordering::Relaxed)
}

/// May this process start workers?
///
/// # Errors
/// [`NotInitialised`], or the nesting is too deep.
pub(crate) fn may_start_workers() -> io::Result<()> {
    if !INITIALISED.load(Ordering::Acquire) {
        return Err(io::Error::other(NotInitialised));
    }
    if depth() >= MAX_DEPTH {
        let message = format!(
            "pools are nested {MAX_DEPTH} deep already; start this pool further up, or pass \
             the work back to the parent"
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// Becomes a worker if this process was started as one.
fn enter() {
    if INITIALISED.swap(true, Ordering::AcqRel) {
        return;
    }
    if std::env::var_os(MARKER).is_none_or(|value| value != MARKER_VALUE) {
        return;
    }
    // SAFETY: this runs before `main`, or as its first line, so no other thread reads or writes
    // the environment.
    unsafe { std::env::remove_var(MARKER) };
    // SAFETY: ignoring a signal installs no handler; before `main` nobody else has set this one,
    // and inside of `main` std has set the same.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let socket = match take_stdin() {
        Ok(socket) => Control::from_fd(socket),
        Err(error) => {
            eprintln!("worker: stdin is no control socket: {error}");
            std::process::exit(EXIT_UNUSABLE);
        }
    };
    match start(&socket) {
        Ok(channels) => serve::run(channels, socket),
        Err(reason) => {
            // Without a parent there is nobody to tell.
            drop(socket.send(&Up::Refused(reason), None, true));
            std::process::exit(EXIT_UNUSABLE);
        }
    }
}

/// Moves the control socket away from descriptor 0, so that user code and its children find an
/// empty stdin and cannot hold the socket.
fn take_stdin() -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

/// Makes sure of the descriptors that the handshake takes: ipc-channel 0.23.1 panics without.
///
/// # Errors
/// A sentence for the parent.
fn check_descriptors(socket: &Control) -> Result<(), String> {
    /// Four are sent, five are for ipc-channel, and one is opened anew.
    const NEEDED: usize = 10;
    let opened = shortage::open(socket.as_fd(), NEEDED).map_err(shortage::explain);
    opened.map(drop).map_err(|error| format!("a worker has no descriptors to start with: {error}"))
}

/// What a worker works with.
#[derive(Debug)]
struct Channels {
    /// Frames of calls come out here.
    calls: IpcBytesReceiver,
    /// Results go in here.
    results: Writer,
    /// Which call is executed.
    board: Board,
    /// Largest encoded result.
    max_payload: usize,
    /// What is called first.
    init: Option<Init>,
    /// Whether panics have a backtrace whatever the environment says.
    backtraces: bool,
    /// Whether the arena of the pool is mapped.
    sees_arena: bool,
    /// Where long results go, if there is such a place.
    lender: Option<Lender>,
}

/// The handshake.
///
/// # Errors
/// A sentence for the parent.
fn start(socket: &Control) -> Result<Channels, String> {
    check_descriptors(socket)?;
    let boot = socket.receive::<Down>(true).map_err(|error| error.to_string())?;
    let Some((boot, Some(fd))) = boot else {
        return Err("the first message was no boot message".to_owned());
    };
    let Down::Boot { fingerprint, server, depth, board, max_payload, confines, init, backtraces } =
        boot
    else {
        return Err("the first message was no boot message".to_owned());
    };
    if fingerprint != image::fingerprint() {
        return Err("the worker runs a different build of the program".to_owned());
    }
    DEPTH.store(depth, Ordering::Relaxed);
    arrivals().open();
    let text = |error: io::Error| error.to_string();
    let segment = Segment::adopt(board, fd).map_err(text)?;
    if segment.len() < BOARD_AND_RING_BYTES {
        return Err("the claim board is too small".to_owned());
    }
    let second = socket.receive::<Down>(true).map_err(text)?;
    let Some((Down::Doorbell(id), Some(bell))) = second else {
        return Err("the second message was no doorbell".to_owned());
    };
    let third = socket.receive::<Down>(true).map_err(text)?;
    let Some((Down::Lifeline, Some(fd))) = third else {
        return Err("the third message was no lifeline".to_owned());
    };
    watchdog::hold(&fd).map_err(text)?;
    let fourth = socket.receive::<Down>(true).map_err(text)?;
    let sees_arena = match fourth {
        // Without it the worker gets its arguments on other ways.
        Some((Down::Arena(Some(id)), Some(fd))) => Window::open(id, fd).is_ok(),
        Some((Down::Arena(_), _)) => false,
        _ => return Err("the fourth message was about no arena".to_owned()),
    };
    let doorbell = Doorbell::adopt(Segment::adopt(id, bell).map_err(text)?);
    let lender = Lender::new(&segment);
    if sees_arena {
        holds::open(&segment);
    }
    let results = Writer::new(Arc::clone(&segment), doorbell);
    let board = Board::new(segment);
    let (far_calls, calls) = ipc::bytes_channel().map_err(text)?;
    IpcSender::connect(server)
        .map_err(text)?
        .send(far_calls)
        .map_err(|error| format!("the channel could not be sent: {error}"))?;
    confines.apply()?;
    Ok(Channels { calls, results, board, max_payload, init, backtraces, sees_arena, lender })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::confines::Confines;

    /// What a worker answers to a boot message with this fingerprint, and how it ends.
    fn answer(fingerprint: u64) -> (Option<Up>, Option<i32>) {
        let (near, far) = Control::pair().unwrap();
        let mut worker = Command::new(std::env::current_exe().unwrap());
        worker.env(MARKER, MARKER_VALUE).stdin(Stdio::from(far)).stderr(Stdio::null());
        let mut worker = worker.spawn().unwrap();
        let board = Segment::create(BOARD_AND_RING_BYTES).unwrap();
        let boot = Down::Boot {
            fingerprint,
            server: "there is none".to_owned(),
            depth: 1,
            board: board.id(),
            max_payload: 100,
            confines: Confines::default(),
            init: None,
            backtraces: false,
        };
        near.send(&boot, Some(board.fd()), true).unwrap();
        // In place of the doorbell.
        near.send(&Down::Forget(1), None, true).unwrap();
        let up = near.receive::<Up>(true).unwrap().map(|(up, _descriptor)| up);
        (up, worker.wait().unwrap().code())
    }

    #[test]
    fn a_worker_of_another_build_serves_nobody() {
        let (up, code) = answer(image::fingerprint() ^ 1);
        let Some(Up::Refused(reason)) = up else { panic!("{up:?}") };
        assert!(reason.contains("a different build of the program"), "{reason}");
        assert_eq!(code, Some(EXIT_UNUSABLE));
        let (up, _code) = answer(image::fingerprint());
        let Some(Up::Refused(reason)) = up else { panic!("{up:?}") };
        assert!(reason.contains("no doorbell"), "it has gone on: {reason}");
    }
}
