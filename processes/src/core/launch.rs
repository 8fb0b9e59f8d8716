//! Starting a worker: the program runs itself again.
//!
//! Never `fork`: a forked child of a threaded parent may only call async-signal-safe functions.
//! `Command` without a `pre_exec` closure uses `posix_spawn`, whose cost does not grow with the
//! parent's memory (1-4 ms against 21-28 ms at 1 GiB).

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::arena::lend::RESULT_ARENA_BYTES;
use crate::board::Board;
use crate::call::Call;
use crate::clock;
use crate::control::{Control, Down};
use crate::doorbell::Doorbell;
use crate::fault;
use crate::image;
use crate::results::{BOARD_AND_RING_BYTES, RESULTS_AT};
use crate::segment::Segment;
use crate::setup::Setup;
use crate::shortage;
use crate::ticket::Place;
use crate::worker;

use super::lifeline::Lifeline;
use super::process::{Process, Server};
use super::recycle::Post;
use super::seat::Seat;
use super::shared::Shared;
use super::stderr::Tail;
use super::{Config, Core, State};

/// The longest path of the folder for temporary files. ipc-channel's one-shot server has a socket in it, in a
/// folder of its own; 0.23.1 cuts what has no room in the address of a socket, which is 107 bytes, and
/// so two servers are in each other's way.
const MAX_TEMP_DIR_BYTES: usize = 107 - "/.tmp123456/socket".len();

/// Makes sure that a worker can be told where to connect to.
///
/// # Errors
/// `InvalidFilename`: the folder for temporary files has a path that is too long.
fn check_temp_dir() -> io::Result<()> {
    let mut folder = std::env::temp_dir();
    if !folder.is_absolute() {
        // As the server does it; nothing at all is the current folder.
        folder = std::env::current_dir()?.join(folder);
    }
    // Without the slash at the end, if it has one.
    let bytes = folder.join("x").as_os_str().len() - "/x".len();
    if bytes <= MAX_TEMP_DIR_BYTES {
        return Ok(());
    }
    let text = format!(
        "start a worker: the path of the folder for temporary files (`TMPDIR`) has {bytes} bytes, and there is \
         room for {MAX_TEMP_DIR_BYTES}"
    );
    Err(io::Error::new(io::ErrorKind::InvalidFilename, text))
}

/// Starts a worker and sends it the first four messages.
///
/// # Errors
/// No process, descriptor or memory is left, or the program's file cannot be executed.
pub(super) fn launch(
    config: &Config,
    doorbell: &Doorbell,
    lifeline: &Lifeline,
    shared: Option<&Shared>,
    mut setup: Setup,
) -> io::Result<Process> {
    let (control, far) = Control::pair()?;
    let credit = control.credit()?;
    let board = Segment::create(segment_bytes(shared.is_some()))?;
    check_temp_dir()?;
    let (server, name) = Server::new().map_err(shortage::of_server)?;
    let mut command = Command::new("/proc/self/exe");
    if config.stderr_bytes > 0 {
        setup.stderr = Some(Stdio::piped());
    }
    setup.configure(&mut command);
    command
        .arg0(title(setup.name.as_ref().unwrap_or(&config.name)))
        .env(worker::MARKER, worker::MARKER_VALUE)
        .stdin(Stdio::from(far))
        // A group of its own: Ctrl-C in a terminal reaches the parent only.
        .process_group(0);
    let child = command.spawn()?;
    // The parent must not keep the worker's end: its end of file is how a death is noticed.
    drop(command);
    let mut guard = Reaper(Some(child));
    let child = guard.0.as_mut().expect("filled above");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.expect("a child has a positive pid"), PidfdFlags::empty())?;
    setup.started(child, &pidfd)?;
    let boot = Down::Boot {
        fingerprint: image::fingerprint(),
        server: name,
        depth: worker::depth() + 1,
        board: board.id(),
        max_payload: config.max_payload,
        confines: setup.confines,
        init: config.init.as_ref().map(|init| init.header()),
        backtraces: config.backtraces,
    };
    let second = Down::Doorbell(doorbell.segment().id());
    let sent = control
        .send(&boot, Some(board.fd()), false)
        .and_then(|()| control.send(&second, Some(doorbell.segment().fd()), false))
        .and_then(|()| control.send(&Down::Lifeline, Some(lifeline.end_for_worker()), false))
        .and_then(|()| send_arena(&control, shared));
    match sent {
        Ok(()) => {}
        // It is dead already; the supervisor will see that and say how.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(error),
    }
    let tail = child.stderr.take().filter(|_pipe| config.stderr_bytes > 0);
    let tail = tail.map(|pipe| Tail::new(pipe, config.stderr_bytes)).transpose()?;
    let child = guard.0.take().expect("taken only here and in drop");
    let deadline_ns = clock::after_ns(config.init_timeout);
    let board = Board::new(board);
    let mut process = Process::new(child, pidfd, control, credit, board, server, deadline_ns);
    process.exit = setup.exit;
    process.tail = tail;
    process.calls_left = config.max_calls;
    if let Some(init) = &config.init
        && let Err(error) = process.send_descriptors(init)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        process.kill();
        process.reap();
        return Err(error);
    }
    Ok(process)
}

/// Bytes of a worker's segment, with an arena for results or without.
fn segment_bytes(arena: bool) -> usize {
    if arena { RESULTS_AT + RESULT_ARENA_BYTES } else { BOARD_AND_RING_BYTES }
}

/// Sends the fourth message: the pool's arena, or that the worker gets none.
fn send_arena(control: &Control, shared: Option<&Shared>) -> io::Result<()> {
    let shared = shared.filter(|_| !fault::hides_arena());
    match shared.and_then(Shared::for_worker) {
        Some((id, fd)) => control.send(&Down::Arena(Some(id)), Some(fd.as_fd()), false),
        None => control.send(&Down::Arena(None), None, false),
    }
}

/// What the worker's `argv[0]` says, for `ps`.
fn title(name: &str) -> OsString {
    let mut title = std::env::args_os().next().unwrap_or_else(|| "processes".into());
    title.push(format!(" [{name}]"));
    title
}

/// Kills and reaps a child when the rest of a start fails.
struct Reaper(Option<Child>);

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Errors mean that it is gone already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Core {
    /// Adds `count` seats and starts a worker in each.
    ///
    /// # Errors
    /// As [`launch`], and when the core is closing; workers that were started stay.
    pub(crate) fn open_seats(&self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let mut state = self.lock();
            if state.closing.is_some() {
                return Err(io::Error::other("the pool is closing, and gets no more workers"));
            }
            let index = state.begin_seat();
            drop(state);
            self.launch_into(index, Setup::default()).inspect_err(|_error| {
                self.lock().vacate(index);
                // The breaker may have counted on it.
                self.alarm.ring();
            })?;
        }
        Ok(())
    }

    /// Starts a worker for one call.
    ///
    /// # Errors
    /// As [`launch`], and when the core has given up.
    pub(crate) fn open_one_shot(&self, call: Call, setup: Setup) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(reason) = state.breaker.refusal() {
            return Err(io::Error::other(reason.to_owned()));
        }
        let index = state.spare_seats.pop().unwrap_or_else(|| {
            state.seats.push(Seat::new(true));
            state.seats.len() - 1
        });
        // No slot yet, but the seat says where to kill it.
        call.target.sent(Place { seat: index, slot: 0, sequence: 0 });
        state.seats[index].own = Some(call);
        state.seats[index].begin_launch();
        drop(state);
        self.launch_into(index, setup).inspect_err(|_error| {
            let mut state = self.lock();
            let call = state.seats[index].own.take();
            state.spare_seats.push(index);
            drop(state);
            drop(call);
        })
    }

    /// Starts a worker in the seat `index`, unless nobody is to come into it any more: it may be
    /// somebody else's by now. Or somebody else is starting a worker for it.
    ///
    /// # Errors
    /// As [`launch`].
    pub(super) fn occupy_if_due(&self, index: usize) -> io::Result<()> {
        let mut state = self.lock();
        let seat = &mut state.seats[index];
        if seat.start_at_ns.is_none() || seat.launching {
            return Ok(());
        }
        seat.begin_launch();
        drop(state);
        self.launch_into(index, Setup::default())
    }

    /// Starts a worker, which takes milliseconds and is done without the lock, puts it into its seat, where
    /// the launch was [begun](Seat::begin_launch), and watches it. One that nobody wants any more when it
    /// is started ends again.
    ///
    /// # Errors
    /// As [`launch`].
    fn launch_into(&self, index: usize, setup: Setup) -> io::Result<()> {
        let launched = self.launch(setup);
        let mut state = self.lock();
        // The supervisor has waited with the end of a closing core.
        if state.closing.is_some() {
            self.alarm.ring();
        }
        let ended = state.ended;
        let seat = &mut state.seats[index];
        seat.launching = false;
        let wanted = seat.post != Post::Vacant && !ended;
        let mut process = match launched {
            Ok(process) => process,
            Err(error) => {
                self.release_spare(&state);
                return Err(shortage::explain_start(error));
            }
        };
        seat.generation = seat.generation.wrapping_add(1);
        seat.start_at_ns = None;
        let generation = seat.generation;
        let watched = if wanted { self.alarm.watch(index, generation, &process) } else { Ok(()) };
        if !wanted || watched.is_err() {
            if !wanted {
                state.vacate(index);
            }
            self.release_spare(&state);
            drop(state);
            process.kill();
            process.reap();
            return watched;
        }
        let deadline_ns = process.deadline_ns;
        self.add_reader(&process);
        state.seats[index].process = Some(process);
        state.counters.started += 1;
        self.check_at(&mut state, deadline_ns.unwrap_or(u64::MAX));
        Ok(())
    }
}

impl Core {
    /// Starts a worker of this core.
    fn launch(&self, setup: Setup) -> io::Result<Process> {
        self.spare.hold(self.lifeline.end_for_worker())?;
        launch(&self.config, self.inbox.doorbell(), &self.lifeline, self.shared(), setup)
    }
}

impl State {
    /// A seat for one more worker, whose launch begins in the same step: at no time does the seat look as
    /// if a worker were missing, so that others would start one, too.
    fn begin_seat(&mut self) -> usize {
        let index = self.vacant_seat();
        self.seats[index].begin_launch();
        index
    }
}

impl Seat {
    /// From now on it is not given to others, until the launch has ended.
    fn begin_launch(&mut self) {
        debug_assert!(self.process.is_none() && !self.launching, "a seat has one worker");
        self.launching = true;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_core_that_closes_gets_no_workers() {
        let grace = Duration::from_secs(30);
        let (core, threads) = Core::start(Config::new("closing", 1 << 20, grace)).unwrap();
        core.open_seats(1).unwrap();
        core.close(true);
        assert!(core.resize(3).unwrap_err().to_string().contains("closing"));
        core.wait_until_ended();
        threads.join();
        core.resize(3).unwrap_err();
        assert!(core.pids().is_empty());
        // One whose start was begun before, and has ended too late.
        let index = core.lock().begin_seat();
        core.launch_into(index, Setup::default()).unwrap();
        let mut state = core.lock();
        let seat = &mut state.seats[index];
        assert!(!seat.launching && seat.post == Post::Vacant);
        // Nobody would reap it.
        assert!(seat.process.take().is_none());
    }

    #[test]
    fn a_seat_that_somebody_fills_is_nobodys_to_fill_from_the_first_moment() {
        let grace = Duration::from_secs(30);
        let (core, threads) = Core::start(Config::new("filled", 1 << 20, grace)).unwrap();
        let mut state = core.lock();
        let index = state.begin_seat();
        // As when a worker that was tried is ready in this moment.
        state.reopen_seats();
        assert_eq!(state.seats[index].start_at_ns, None);
        drop(state);
        core.launch_into(index, Setup::default()).unwrap();
        assert_eq!(core.pids().len(), 1);
        core.close(false);
        threads.join();
    }
}
