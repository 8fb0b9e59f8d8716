//! The broker: a process that the keeper looks after.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::keeper;

/// The first argument of the process that becomes the broker.
pub(crate) const ROLE: &str = "--cluster-broker";

/// The program.
const PROGRAM: &str = "nats-server";

/// What there is to say where the program is missing.
pub const HINT: &str = "not found: nats-server (`apt-get install nats-server`)";

/// How long the keeper may take to end.
const FAREWELL: Duration = Duration::from_secs(20);

/// Whether there is a broker program.
pub fn is_installed() -> bool {
    let mut command = Command::new(PROGRAM);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A broker, and the process that looks after it.
#[derive(Debug)]
pub(crate) struct Broker {
    /// The keeper; it ends at the end of its standard input.
    keeper: Child,
    /// What it has said.
    up: Up,
}

/// What a keeper says when its broker listens, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Up {
    /// Where it listens.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Its folder.
    pub(crate) folder: PathBuf,
}

impl Broker {
    /// Starts one.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(crate) fn start() -> Result<Self, String> {
        if !is_installed() {
            return Err(HINT.into());
        }
        let mut command = itself();
        command.arg(keeper::ROLE).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let keeper = command.spawn().map_err(|error| format!("failed to start: {error}"))?;
        let up = Up { url: String::new(), pid: 0, folder: PathBuf::new() };
        let mut broker = Self { keeper, up };
        let said = broker.keeper.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).map_err(|error| error.to_string())?;
        let said: Result<Up, String> =
            serde_json::from_str(&line).map_err(|_| format!("the keeper said {line:?}"))?;
        broker.up = said?;
        Ok(broker)
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.up.url
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.up.pid
    }

    /// Its folder, which goes with it.
    pub(crate) fn folder(&self) -> &Path {
        &self.up.folder
    }

    /// Ends it.
    ///
    /// # Errors
    /// It did not end well.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let ended_well = end(&mut self.keeper);
        ended_well.then_some(()).ok_or_else(|| "the broker did not end in good order".into())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        end(&mut self.keeper);
    }
}

/// Lets a keeper end, and waits for it; whether it has ended well.
fn end(keeper: &mut Child) -> bool {
    drop(keeper.stdin.take());
    ended_within(keeper, FAREWELL).unwrap_or_else(|| {
        keeper.kill().ok();
        keeper.wait().ok();
        false
    })
}

/// Waits for a process to end; whether it has ended well, and `None` when it has not ended.
pub(crate) fn ended_within(child: &mut Child, limit: Duration) -> Option<bool> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < deadline => thread::park_timeout(Duration::from_millis(1)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// A command that starts this program: the link, and not where it leads, works also when the file was
/// replaced.
pub(crate) fn itself() -> Command {
    Command::new("/proc/self/exe")
}

/// From now on the kernel kills this process when the one with this id ends, which has started it.
/// False: it has ended already.
pub(crate) fn end_with(parent: &str) -> bool {
    let set = set_parent_process_death_signal(Some(Signal::KILL));
    let expected = parent.parse().ok().and_then(Pid::from_raw);
    set.is_ok() && expected.is_some() && getppid() == expected
}

/// Becomes a broker with its files in this folder; the id of the keeper comes before.
pub(crate) fn become_one(arguments: &[OsString]) -> ExitCode {
    let [keeper, folder] = arguments else { return ExitCode::FAILURE };
    if !keeper.to_str().is_some_and(end_with) {
        return ExitCode::FAILURE;
    }
    let folder = Path::new(folder);
    let mut server = Command::new(PROGRAM);
    // It finds a free port itself, and writes it down.
    server.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]).arg(folder.join("store"));
    server.arg("--ports_file_dir").arg(folder).arg("-l").arg(folder.join("log"));
    // What is set stays set: the kernel still ends it with the keeper.
    let error = server.exec();
    eprintln!("failed to become {PROGRAM}: {error}");
    ExitCode::FAILURE
}
