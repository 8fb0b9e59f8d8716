//! A lane host as a child process: started, asked, and gone when it goes out of scope.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read as _, Seek as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::{
    leftovers,
    protocol::{Reply, Request},
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tempfile::TempDir;

/// How long anything may take that is expected to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at what gives no notice.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What came from a host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A line, without its end.
    Line(String),
    /// Nothing within the time.
    Silence,
    /// The end of the stream.
    End,
}

/// A started lane host, the leader of a process group of its own.
///
/// Dropped, it kills the group, waits for the host, and checks that no process of the group is
/// left, and no temporary file.
pub(super) struct Host {
    /// The host.
    child: Child,
    /// How it ended, once it has been waited for.
    status: Option<ExitStatus>,
    /// Where requests go.
    requests: Option<ChildStdin>,
    /// The lines that came back.
    lines: mpsc::Receiver<String>,
    /// Reads the lines; ends with the stream.
    reader: Option<JoinHandle<()>>,
    /// What the host and its tasks print; shown when a test fails.
    printed: File,
    /// Where it puts temporary files.
    temporary: TempDir,
}

impl Host {
    /// Starts the Python host and takes its greeting; `None`, after saying so, without a Python.
    pub(super) fn start() -> Option<(Self, Reply)> {
        let printed = tempfile::tempfile().unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let mut child = python()?
            .arg("--serve")
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(printed.try_clone().unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let requests = child.stdin.take();
        let from = BufReader::new(child.stdout.take().unwrap());
        let (to_test, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            from.lines().map_while(Result::ok).try_for_each(|line| to_test.send(line)).ok();
        });
        let mut host =
            Self { child, status: None, requests, lines, reader: Some(reader), printed, temporary };
        let hello = host.reply();
        Some((host, hello))
    }

    /// Sends a request, takes the reply.
    pub(super) fn ask(&mut self, request: &Request) -> Reply {
        self.send(request);
        self.reply()
    }

    /// Sends a request.
    pub(super) fn send(&mut self, request: &Request) {
        self.send_line(&serde_json::to_string(request).unwrap());
    }

    /// Sends a line.
    pub(super) fn send_line(&mut self, line: &str) {
        writeln!(self.requests.as_mut().expect("nobody hung up"), "{line}").unwrap();
    }

    /// Ends the stream of requests.
    pub(super) fn hang_up(&mut self) {
        self.requests = None;
    }

    /// The next reply.
    pub(super) fn reply(&mut self) -> Reply {
        match self.listen(PATIENCE) {
            Heard::Line(line) => {
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
            }
            other => panic!("no reply but {other:?}"),
        }
    }

    /// What comes next, if it comes `within` this time.
    pub(super) fn listen(&mut self, within: Duration) -> Heard {
        match self.lines.recv_timeout(within) {
            Ok(line) => Heard::Line(line),
            Err(mpsc::RecvTimeoutError::Timeout) => Heard::Silence,
            Err(mpsc::RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// How the host ended, which it has to do by itself.
    pub(super) fn ended(mut self) -> ExitStatus {
        self.wait_for_end();
        self.kill_and_reap();
        self.status.expect("it was waited for")
    }

    /// Says goodbye; the host has to end well, and everything it started with it.
    pub(super) fn leave(mut self) {
        assert_eq!(self.ask(&Request::Bye), Reply::Bye);
        self.wait_for_end();
        let group = self.id();
        wait_until("all that the host started ends", || members_of(group).is_empty());
        let status = self.ended();
        assert!(status.success(), "{status}");
    }

    /// Waits until the host has ended; it stays a zombie, so that its id keeps its meaning.
    fn wait_for_end(&mut self) {
        assert_eq!(self.listen(PATIENCE), Heard::End);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let id = self.id();
        wait_until("the host ends", || waitid(WaitId::Pid(id), options).unwrap().is_some());
    }

    /// Kills what there is of the group, then waits for the host.
    fn kill_and_reap(&mut self) {
        if self.status.is_none() {
            // The id belongs to nobody else as long as the host has not been waited for. A group
            // of zombies need not be killed, and on some systems cannot be.
            kill_process_group(self.id(), Signal::KILL).ok();
            self.status = self.child.wait().ok();
            leftovers::remove_of(self.id().as_raw_pid(), self.temporary.path());
        }
    }

    /// The host's process id, which is the id of its group.
    pub(super) fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill_and_reap();
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
        if thread::panicking() {
            let mut printed = String::new();
            self.printed.rewind().ok();
            self.printed.read_to_string(&mut printed).ok();
            eprintln!("the host printed:\n{printed}");
        } else {
            let group = self.id();
            wait_until("all killed processes are gone", || members_of(group).is_empty());
            let left: Vec<_> = self.temporary.path().read_dir().unwrap().flatten().collect();
            assert!(left.is_empty(), "temporary files are left: {left:?}");
        }
    }
}

/// Waits until `done`, for which nothing gives notice.
pub(super) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < give_up, "waited too long until {what}");
        thread::park_timeout(LOOK_EVERY);
    }
}

/// The living processes of a group; none where the system does not tell.
pub(super) fn members_of(group: Pid) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_member = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, parent, group.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, group_of) = (fields.next(), fields.nth(1));
        group_of.and_then(|text| text.parse().ok()) == Some(group.as_raw_nonzero().get())
            && !matches!(state, Some("Z" | "X"))
    };
    processes
        .map_while(Result::ok)
        .filter(|process| is_member(&process.path()))
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The Python host, to be started; `None`, after saying so, when there is no Python to do it.
pub(super) fn python() -> Option<Command> {
    /// Whether there is one.
    static USABLE: OnceLock<bool> = OnceLock::new();
    let check = ["-c", "import sys; sys.exit(sys.version_info < (3, 8))"];
    let usable = *USABLE.get_or_init(|| {
        let status = Command::new("python3").args(check).stdin(Stdio::null()).status();
        let usable = status.is_ok_and(|status| status.success());
        if !usable {
            eprintln!("skipped: no python3, or one before 3.8");
        }
        usable
    });
    let mut command = Command::new("python3");
    command.arg(lane_host());
    usable.then_some(command)
}

/// Where the Python host lies.
fn lane_host() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/peers/python/lane_host.py")
}
