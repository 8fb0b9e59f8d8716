//! How much of the machine this process may use.

use std::{path::Path, thread};

use rustix::process::{Resource, getrlimit};

use super::{cgroup, procfs};

/// The limits of this process, which those it starts inherit. `None` means that no limit was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The processors that are switched on in the machine.
    pub cores_online: Option<usize>,
    /// How many threads the standard library thinks worthwhile: it honours the affinity of this
    /// process and its CPU quota, rounded.
    pub available_parallelism: Option<usize>,
    /// The tightest CPU quota of the control groups around this process, in cores: 0.5 is half the
    /// time of one.
    pub cpu_quota: Option<f64>,
    /// The tightest memory limit of the control groups around this process, in bytes.
    pub memory_max: Option<u64>,
    /// The tightest limit of the control groups around this process on the number of tasks, that is
    /// processes and threads.
    pub pids_max: Option<u64>,
    /// How many descriptors this process may have open.
    pub nofile_soft: Option<u64>,
    /// How far this process may raise that by itself.
    pub nofile_hard: Option<u64>,
    /// How many tasks the user of this process may have; the superuser is exempt.
    pub nproc_soft: Option<u64>,
    /// How many tasks the whole machine may have: the lower of `kernel.threads-max` and
    /// `kernel.pid_max`.
    pub threads_max: Option<u64>,
}

impl Limits {
    /// Reads the limits.
    pub fn read() -> Self {
        let files = |path: &Path| procfs::read(path);
        let nofile = getrlimit(Resource::Nofile);
        let online = procfs::read("/sys/devices/system/cpu/online");
        let online = online.as_deref().and_then(procfs::parse_list);
        let machine_wide = ["/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"];
        Self {
            cores_online: online.map(|processors| processors.len()),
            available_parallelism: thread::available_parallelism().ok().map(usize::from),
            cpu_quota: cgroup::cpu_quota(&files).map(|quota| quota.cores),
            memory_max: cgroup::memory_max(&files),
            pids_max: cgroup::pids_max(&files),
            nofile_soft: nofile.current,
            nofile_hard: nofile.maximum,
            nproc_soft: getrlimit(Resource::Nproc).current,
            threads_max: machine_wide.into_iter().filter_map(procfs::read_number).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_limits_that_fit_together() {
        let limits = Limits::read();
        assert!(limits.available_parallelism.unwrap() >= 1);
        if let (Some(soft), Some(hard)) = (limits.nofile_soft, limits.nofile_hard) {
            assert!(soft <= hard, "{limits:?}");
        }
        assert!(limits.cpu_quota.is_none_or(|cores| cores > 0.0), "{limits:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_kernel_counts_processors_and_threads() {
        let limits = Limits::read();
        assert!(limits.cores_online.unwrap() >= limits.available_parallelism.unwrap());
        assert!(limits.threads_max.unwrap() > 1, "{limits:?}");
    }
}
