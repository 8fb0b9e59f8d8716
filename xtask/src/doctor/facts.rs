//! What is known about the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::fs::{Access, access, statvfs};

use crate::{
    host,
    measure::{Environment, HostNoise, Limits, NoiseProbe, children_cpu},
    workspace::Workspace,
};

/// How long others are watched.
const WATCHED: Duration = Duration::from_millis(500);

/// What is known about the machine.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// How much of it may be used.
    pub limits: Limits,
    /// What it is.
    pub environment: Environment,
    /// What others did for half a second.
    pub noise: HostNoise,
    /// Memory that could be had without swapping, in bytes.
    pub memory_available: Option<u64>,
    /// The Python that was found, or why none.
    pub python: Result<PathBuf, String>,
    /// Whether there is a git.
    pub git: bool,
    /// Where results go.
    pub target: PathBuf,
    /// Whether it, or where it would be made, can be written to.
    pub writable: bool,
    /// Free space there, in bytes.
    pub free: Option<u64>,
}

impl Facts {
    /// Looks at the machine.
    pub(super) fn gather(workspace: &Workspace) -> Self {
        let target = workspace.compare_folder();
        let existing = target.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        Self {
            limits: Limits::read(),
            environment: Environment::read(),
            noise: watch(),
            memory_available: fs::read_to_string("/proc/meminfo")
                .ok()
                .and_then(|text| memory_available(&text)),
            python: host::find_python(workspace).map(|program| program.path),
            git: git_works(),
            writable: access(existing, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
            free: statvfs(existing).ok().map(|space| space.f_bavail * space.f_frsize),
            target,
        }
    }
}

/// Watches what others do.
fn watch() -> HostNoise {
    let (probe, before) = (NoiseProbe::start(), children_cpu());
    // Nobody sends: this is a wait that ends after the time.
    let (_sender, receiver) = mpsc::channel::<()>();
    receiver.recv_timeout(WATCHED).ok();
    probe.finish(children_cpu().saturating_sub(before))
}

/// Whether git can be run.
fn git_works() -> bool {
    let mut git = Command::new("git");
    git.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    git.status().is_ok_and(|status| status.success())
}

/// The line `MemAvailable` of `/proc/meminfo`, in bytes.
fn memory_available(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:  99 kB\nMemAvailable:   2048 kB\nBuffers: 1 kB\n";
        assert_eq!(memory_available(text), Some(2 << 20));
        assert_eq!(memory_available("MemTotal: 99 kB\n"), None);
        assert_eq!(memory_available("MemAvailable: many\n"), None);
    }
}
