//! A child process that answers in lines, each within a deadline.

use std::{
    env, fmt,
    io::{BufRead, BufReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use common::leftovers;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt;

use super::tail::Tail;

/// How often a wait looks whether the user interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// Longest line a process may send, in bytes.
const LINE_BYTES: u64 = 1 << 20;

/// What a lane host did instead of answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    /// It could not be started.
    NotStarted(String),
    /// It ended: by itself, by a signal, or by a crash.
    Ended {
        /// How, in words.
        how: String,
        /// The last lines it wrote to standard error.
        said: Vec<String>,
    },
    /// It did not answer in time.
    Timeout(Duration),
    /// What it sent is not a message.
    Rubbish(String),
    /// It answered with an error.
    Refused(String),
    /// It answered with a reply that does not belong to the request.
    OutOfTurn(String),
    /// The user interrupted while it was waited for.
    Interrupted,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(why) => write!(f, "the lane host did not start: {why}"),
            Self::Ended { how, said } => match said.last() {
                Some(last) => write!(f, "the lane host {how}; its last words: {last}"),
                None => write!(f, "the lane host {how}"),
            },
            Self::Timeout(limit) => {
                write!(f, "no answer within {limit:.1?}; the lane host was killed")
            }
            Self::Rubbish(line) => write!(f, "the lane host sent what is not a message: {line}"),
            Self::Refused(why) => f.write_str(why),
            Self::OutOfTurn(reply) => write!(f, "the lane host answered out of turn: {reply}"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// A running process. Dropping it kills it with everything in its process group, and waits for it.
#[derive(Debug)]
pub(super) struct Process {
    /// The process.
    child: Child,
    /// Lines that came, from a thread that reads them; it ends with the process.
    lines: Receiver<Result<String, String>>,
    /// What it says on standard error; taken when it has ended.
    tail: Option<Tail>,
}

impl Process {
    /// Starts a command, whose standard output and error are read from now on, as the leader of a
    /// process group of its own, so that the terminal's Ctrl-C does not reach it and it can be
    /// killed with all of its children.
    ///
    /// # Errors
    /// [`HostError::NotStarted`].
    pub(super) fn start(command: &mut Command) -> Result<Self, HostError> {
        let command = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| HostError::NotStarted(error.to_string()))?;
        let output = child.stdout.take().expect("standard output is piped");
        let tail = child.stderr.take().map(Tail::of);
        Ok(Self { child, lines: read_lines(output), tail })
    }

    /// Its standard input, if that is piped and was not taken before.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// Whatever the process did instead, other than [`HostError::Refused`].
    pub(super) fn line(&mut self, limit: Duration) -> Result<String, HostError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(LOOK)) {
                Ok(line) => return line.map_err(HostError::Rubbish),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) if interrupt::requested() => {
                    return Err(HostError::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(HostError::Timeout(limit));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// It closed its stream: kills what is left of it, and says how it ended.
    pub(super) fn ended(&mut self) -> HostError {
        // It may have closed the stream and live on; one that was dying is a zombie by now or soon.
        let how = match self.wait_briefly() {
            Some(status) => describe(status),
            None => "closed its stream and lived on; it was killed".into(),
        };
        self.kill();
        HostError::Ended { how, said: self.tail.take().map(Tail::finish).unwrap_or_default() }
    }

    /// Waits for it to end, which it is about to.
    ///
    /// # Errors
    /// [`HostError::Ended`] if it did not end well, or did not end.
    pub(super) fn end_well(&mut self) -> Result<(), HostError> {
        match self.wait_briefly() {
            Some(status) if status.success() => Ok(()),
            _ => Err(self.ended()),
        }
    }

    /// Waits for it to end, for as long as a dying process may take.
    fn wait_briefly(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Kills the process group and waits for its leader.
    fn kill(&mut self) {
        // It fails when nobody is left in the group: that is what is wanted.
        kill_process_group(self.pid(), Signal::KILL).ok();
        self.child.wait().ok();
        leftovers::remove_of(self.pid().as_raw_pid(), &env::temp_dir());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads lines until the end, on a thread of its own; a line that is too long or no text ends it
/// with an error.
fn read_lines(output: ChildStdout) -> Receiver<Result<String, String>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut line = Vec::new();
            match output.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let whole = line.ends_with(b"\n");
            let message = match String::from_utf8(line) {
                Ok(line) if whole => Ok(line),
                Ok(line) => Err(shortened(&line)),
                Err(error) => Err(shortened(&String::from_utf8_lossy(error.as_bytes()))),
            };
            let last = message.is_err();
            if send.send(message).is_err() || last {
                return;
            }
        }
    });
    receive
}

/// The beginning of a line.
pub(super) fn shortened(line: &str) -> String {
    let mut short: String = line.trim_end().chars().take(80).collect();
    if short.len() < line.trim_end().len() {
        short.push_str("...");
    }
    short
}

/// How a process ended, in words.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (_, Some(signal)) => format!("died of {}", signal_name(signal)),
        _ => "ended in an unknown way".into(),
    }
}

/// The name of a signal.
fn signal_name(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal)
        .map_or_else(|| format!("signal {signal}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{host::find_python, workspace::Workspace};

    /// Makes semaphores of each kind as a lane does, and a directory as its fork server does, says
    /// which, and waits to be killed.
    const PROGRAM: &str = "
import multiprocessing, os, sys, time
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from lane_host import name_leftovers
name_leftovers()
from multiprocessing import util
kept = [multiprocessing.get_context(how).Semaphore(0) for how in ('spawn', 'forkserver')]
mine = f'sem.triptych-{os.getpgrp()}-'
print(sum(name.startswith(mine) for name in os.listdir('/dev/shm')), util.get_temp_dir(), flush=True)
time.sleep(600)
";

    #[test]
    fn a_python_program_that_is_killed_leaves_nothing() {
        let workspace = Workspace::find();
        let Ok(python) = find_python(&workspace) else {
            println!("skipped: there is no Python to leave something");
            return;
        };
        let folder = workspace.root.join("xtask/peers/python");
        let mut command = Command::new(&python.path);
        command.args(["-c", PROGRAM]).arg(folder).stdin(Stdio::null());
        let mut process = Process::start(&mut command).unwrap();
        let line = process.line(Duration::from_mins(1)).unwrap();
        let (semaphores, directory) = line.trim().split_once(' ').unwrap();
        assert_eq!(semaphores, "2", "they have the names that are looked for");
        assert!(Path::new(directory).is_dir(), "{directory}");
        let group = process.pid().as_raw_pid();
        drop(process);
        assert!(!Path::new(directory).exists(), "{directory} is left");
        let left = |folder: &Path, prefix: &str| {
            let left = fs::read_dir(folder).unwrap().flatten();
            left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        };
        assert!(!left(Path::new("/dev/shm"), &format!("sem.triptych-{group}-")));
        assert!(!left(&env::temp_dir(), &format!("triptych-{group}-")));
    }
}
