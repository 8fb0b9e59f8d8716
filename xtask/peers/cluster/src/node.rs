//! A node: this program, as one.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    path::Path,
    process::{Child, ExitCode, Stdio, id},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Cluster,
    broker::{end_with, ended_within, itself},
};

/// The first argument of a node.
pub(crate) const ROLE: &str = "--cluster-node";

/// The file with what nodes say.
pub(crate) const LOG: &str = "nodes.log";

/// How long a node may take to end, once it was told to.
const FAREWELL: Duration = Duration::from_secs(10);

/// A node; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Node(Child);

impl Node {
    /// Starts one with so many workers, for the cluster with this URL and this folder.
    ///
    /// # Errors
    /// The system's, as a sentence.
    pub(crate) fn start(url: &str, folder: &Path, slots: usize) -> Result<Self, String> {
        let mut command = itself();
        command.args([ROLE, &id().to_string(), url, "--slots", &slots.to_string()]);
        let cannot = |error| format!("failed to start a node: {error}");
        let log = OpenOptions::new().create(true).append(true).open(folder.join(LOG));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.map_err(cannot)?);
        let child = command.env(Cluster::FOLDER, folder).spawn();
        child.map(Self).map_err(cannot)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Has it deliver what it has begun, and end.
    pub(crate) fn tell(&self) {
        // It fails when it has ended, which is found out later.
        kill_process(Pid::from_child(&self.0), Signal::TERM).ok();
    }

    /// Waits for the end of one that was [told](Self::tell).
    ///
    /// # Errors
    /// It did not end well, as a sentence.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        match ended_within(&mut self.0, FAREWELL) {
            Some(true) => Ok(()),
            Some(false) => Err("a node did not end in good order".into()),
            None => Err(format!("a node did not end within {FAREWELL:.0?}")),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that was stopped has ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Becomes a node with these arguments; the id of who has started it comes first.
pub(crate) fn become_one(arguments: Vec<OsString>, node: fn(Vec<OsString>) -> u8) -> ExitCode {
    let mut arguments = arguments.into_iter();
    if !arguments.next().is_some_and(|parent| parent.to_str().is_some_and(end_with)) {
        return ExitCode::FAILURE;
    }
    ExitCode::from(node(arguments.collect()))
}

/// The processor time that a process has used so far, in nanoseconds: that of its threads which are there
/// now, without those of its children. `None`: this kernel does not tell.
pub fn cpu_ns(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    // One that ends meanwhile has used next to nothing.
    let used = threads.filter_map(|thread| {
        let told = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        told.split_whitespace().next()?.parse::<u64>().ok()
    });
    let used: Vec<_> = used.collect();
    (!used.is_empty()).then(|| used.iter().sum())
}
