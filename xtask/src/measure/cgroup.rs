//! The limits that control groups put on this process, in both versions of the interface:
//! cgroups(7), and the kernel's `admin-guide/cgroup-v2` and `admin-guide/cgroup-v1`.
//!
//! All of it works on texts: the files come from a function, so that tests can bring their own
//! machine.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::procfs;

/// Where the text of a file comes from; `None` if there is no such file.
pub(super) type Files<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// A memory limit in version 1 from here on means none: the kernel writes the largest multiple of
/// the page size that a signed 64-bit number holds, and page sizes differ.
const V1_UNLIMITED: u64 = 1 << 62;

/// Which interface a controller is used through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    /// One hierarchy per controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// The control groups that this process is in as far as one controller goes.
#[derive(Debug, Eq, PartialEq)]
struct Groups {
    /// Which interface they have.
    version: Version,
    /// Their directories, from the group of this process up to the mount point.
    chain: Vec<PathBuf>,
}

/// A CPU quota and the group that it is set on.
#[derive(Debug, PartialEq)]
pub(super) struct CpuQuota {
    /// How many processors' worth of time the group may use.
    pub(super) cores: f64,
    /// The directory of the group.
    directory: PathBuf,
    /// Which interface it has.
    version: Version,
}

/// The tightest CPU quota of this process's group and all groups around it.
pub(super) fn cpu_quota(files: Files<'_>) -> Option<CpuQuota> {
    let Groups { version, chain } = groups("cpu", files)?;
    let quota = |directory: &PathBuf| {
        let file = |name| files(&directory.join(name));
        let cores = match version {
            Version::V2 => parse_cpu_max(&file("cpu.max")?),
            Version::V1 => parse_cfs(&file("cpu.cfs_quota_us")?, &file("cpu.cfs_period_us")?),
        }?;
        Some(CpuQuota { cores, directory: directory.clone(), version })
    };
    chain.iter().filter_map(quota).min_by(|a, b| a.cores.total_cmp(&b.cores))
}

impl CpuQuota {
    /// The CPU time that the whole group has used so far.
    pub(super) fn usage(&self, files: Files<'_>) -> Option<Duration> {
        let file = |name| files(&self.directory.join(name));
        match self.version {
            Version::V2 => {
                procfs::flat_keyed(&file("cpu.stat")?, "usage_usec").map(Duration::from_micros)
            }
            // There because `cpu` and `cpuacct` are usually mounted together.
            Version::V1 => file("cpuacct.usage")?.trim().parse().ok().map(Duration::from_nanos),
        }
    }

    /// The group's own pressure file, in version 2.
    pub(super) fn pressure(&self, files: Files<'_>) -> Option<String> {
        files(&self.directory.join("cpu.pressure"))
    }
}

/// How long the groups of this process have been throttled so far, added up over the groups and
/// over their processors; `None` if no group keeps a figure.
pub(super) fn throttled(files: Files<'_>) -> Option<Duration> {
    let Groups { version, chain } = groups("cpu", files)?;
    let of_group = |directory: &PathBuf| {
        let text = files(&directory.join("cpu.stat"))?;
        match version {
            Version::V2 => procfs::flat_keyed(&text, "throttled_usec").map(Duration::from_micros),
            Version::V1 => procfs::flat_keyed(&text, "throttled_time").map(Duration::from_nanos),
        }
    };
    chain.iter().filter_map(of_group).reduce(|sum, one| sum + one)
}

/// The tightest memory limit in bytes of this process's group and all groups around it.
pub(super) fn memory_max(files: Files<'_>) -> Option<u64> {
    let groups = groups("memory", files)?;
    let name = match groups.version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    };
    groups.tightest(name, files).filter(|&bytes| bytes < V1_UNLIMITED)
}

/// The tightest limit on the number of tasks of this process's group and all groups around it.
pub(super) fn pids_max(files: Files<'_>) -> Option<u64> {
    groups("pids", files)?.tightest("pids.max", files)
}

impl Groups {
    /// The smallest number that a file of this name holds in any of the groups; `max` is none.
    fn tightest(&self, name: &str, files: Files<'_>) -> Option<u64> {
        let texts = self.chain.iter().filter_map(|directory| files(&directory.join(name)));
        texts.filter_map(|text| text.trim().parse().ok()).min()
    }
}

/// The groups of this process for `controller`: those of its own hierarchy in version 1 if it has
/// one, those of the unified hierarchy otherwise.
fn groups(controller: &str, files: Files<'_>) -> Option<Groups> {
    let memberships = files(Path::new("/proc/self/cgroup"))?;
    let mounts = files(Path::new("/proc/self/mountinfo"))?;
    let found = |version| {
        let path = membership(&memberships, version, controller)?;
        let (root, mount_point) = mount(&mounts, version, controller)?;
        Some(Groups { version, chain: chain(path, root, mount_point) })
    };
    found(Version::V1).or_else(|| found(Version::V2))
}

/// The path of this process's group in the text of `/proc/self/cgroup`, whose lines read
/// `hierarchy:controllers:path` and `0::path` for the unified hierarchy.
fn membership<'t>(text: &'t str, version: Version, controller: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let matches = match version {
            Version::V1 => controllers.split(',').any(|name| name == controller),
            Version::V2 => hierarchy == "0" && controllers.is_empty(),
        };
        matches.then_some(path)
    })
}

/// The root and the mount point of a hierarchy in the text of `/proc/self/mountinfo`
/// (`proc_pid_mountinfo(5)`).
fn mount<'t>(text: &'t str, version: Version, controller: &str) -> Option<(&'t str, &'t str)> {
    text.lines().find_map(|line| {
        let (mounted, file_system) = line.split_once(" - ")?;
        let mut kind = file_system.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let matches = match version {
            Version::V1 => name == "cgroup" && options.split(',').any(|name| name == controller),
            Version::V2 => name == "cgroup2",
        };
        let mut fields = mounted.split(' ').skip(3);
        matches.then_some((fields.next()?, fields.next()?))
    })
}

/// The directories from the group at `path` up to the mount point at which `root` appears.
///
/// A container may see a path that its mount does not show, or one that leads out of its
/// namespace; the mount point itself is then its group.
fn chain(path: &str, root: &str, mount_point: &str) -> Vec<PathBuf> {
    let below = Path::new(path)
        .strip_prefix(root)
        .ok()
        .filter(|below| below.components().all(|part| part.as_os_str() != ".."))
        .unwrap_or(Path::new(""));
    // `join` with nothing would add a slash at the end.
    below
        .ancestors()
        .map(|part| Path::new(mount_point).components().chain(part.components()).collect())
        .collect()
}

/// The cores that the text of a `cpu.max` file allows: `quota period` or `max period`.
fn parse_cpu_max(text: &str) -> Option<f64> {
    let mut words = text.split_ascii_whitespace();
    share(words.next()?, words.next().unwrap_or("100000"))
}

/// The cores that the two files of version 1 allow; a quota of -1 is none.
fn parse_cfs(quota: &str, period: &str) -> Option<f64> {
    share(quota.trim(), period.trim())
}

/// `quota / period`, if both are above zero.
fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0 && quota.is_finite()).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that consists of these files.
    fn machine(files: &'static [(&'static str, &'static str)]) -> impl Fn(&Path) -> Option<String> {
        move |path| {
            let (_, text) = files.iter().find(|(name, _)| Path::new(name) == path)?;
            Some((*text).to_owned())
        }
    }

    /// A service of a slice, version 2 only.
    const UNIFIED: &[(&str, &str)] = &[
        ("/proc/self/cgroup", "0::/jobs.slice/run.service/part\n"),
        (
            "/proc/self/mountinfo",
            "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        ),
        ("/sys/fs/cgroup/jobs.slice/cpu.max", "150000 100000\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/cpu.max", "max 100000\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/part/cpu.max", "400000 200000\n"),
        ("/sys/fs/cgroup/jobs.slice/cpu.stat", "usage_usec 5000000\nthrottled_usec 300\n"),
        ("/sys/fs/cgroup/jobs.slice/cpu.pressure", "some avg10=0.00 total=7\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/cpu.stat", "usage_usec 40\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/part/cpu.stat", "throttled_usec 20\n"),
        ("/sys/fs/cgroup/jobs.slice/memory.max", "max\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/memory.max", "1073741824\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/part/memory.max", "2147483648\n"),
        ("/sys/fs/cgroup/jobs.slice/pids.max", "512\n"),
        ("/sys/fs/cgroup/jobs.slice/run.service/pids.max", "max\n"),
    ];

    #[test]
    fn the_tightest_of_all_ancestors_counts() {
        let files = machine(UNIFIED);
        let quota = cpu_quota(&files).unwrap();
        assert_eq!((quota.cores, quota.version), (1.5, Version::V2));
        assert_eq!(quota.usage(&files), Some(Duration::from_secs(5)));
        assert_eq!(quota.pressure(&files).as_deref(), Some("some avg10=0.00 total=7\n"));
        assert_eq!(throttled(&files), Some(Duration::from_micros(320)));
        assert_eq!(memory_max(&files), Some(1 << 30));
        assert_eq!(pids_max(&files), Some(512));
    }

    /// A container of version 1 whose hierarchies are bind-mounted at its own group.
    const LEGACY: &[(&str, &str)] = &[
        (
            "/proc/self/cgroup",
            "11:pids:/box/c1\n4:cpu,cpuacct:/box/c1\n3:memory:/box/c1/in\n1:name=systemd:/box/c1\n\
             0::/box/c1\n",
        ),
        (
            "/proc/self/mountinfo",
            "40 39 0:30 /box/c1 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
             41 39 0:31 /box/c1 /sys/fs/cgroup/memory ro master:3 - cgroup cgroup rw,memory\n\
             42 39 0:32 /box/c1 /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n\
             43 39 0:33 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n",
        ),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "1500000000\n"),
        (
            "/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
            "nr_periods 9\nnr_throttled 2\nthrottled_time 4000\n",
        ),
        ("/sys/fs/cgroup/memory/in/memory.limit_in_bytes", "9223372036854771712\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
        ("/sys/fs/cgroup/pids/pids.max", "max\n"),
    ];

    #[test]
    fn version_1_is_understood() {
        let files = machine(LEGACY);
        let quota = cpu_quota(&files).unwrap();
        assert_eq!((quota.cores, quota.version), (0.5, Version::V1));
        assert_eq!(quota.usage(&files), Some(Duration::from_millis(1_500)));
        assert_eq!(quota.pressure(&files), None);
        assert_eq!(throttled(&files), Some(Duration::from_micros(4)));
        assert_eq!(memory_max(&files), Some(512 << 20));
        assert_eq!(pids_max(&files), None);
    }

    #[test]
    fn no_quota_is_none() {
        assert_eq!(parse_cpu_max("max 100000\n"), None);
        assert_eq!(parse_cpu_max("25000 50000\n"), Some(0.5));
        assert_eq!(parse_cpu_max("25000\n"), Some(0.25), "the period has a default");
        assert_eq!(parse_cpu_max(""), None);
        assert_eq!(parse_cfs("-1\n", "100000\n"), None);
        assert_eq!(parse_cfs("300000\n", "100000\n"), Some(3.0));
        assert_eq!(parse_cfs("1\n", "0\n"), None);
    }

    #[test]
    fn an_unlimited_group_of_version_1_has_no_memory_limit() {
        let files = |path: &Path| match path.to_str()? {
            "/proc/self/cgroup" => Some("2:memory:/\n".to_owned()),
            "/proc/self/mountinfo" => {
                Some("41 39 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n".to_owned())
            }
            "/sys/fs/cgroup/memory/memory.limit_in_bytes" => {
                Some("9223372036854771712\n".to_owned())
            }
            _ => None,
        };
        assert_eq!(memory_max(&files), None);
        assert_eq!(cpu_quota(&files), None);
    }

    #[test]
    fn without_files_there_is_nothing() {
        let nothing = |_: &Path| None;
        assert_eq!(cpu_quota(&nothing), None);
        assert_eq!(throttled(&nothing), None);
        assert_eq!(memory_max(&nothing), None);
        assert_eq!(pids_max(&nothing), None);
    }

    #[test]
    fn the_chain_ends_at_the_mount_point() {
        let paths = |path, root| {
            let chain = chain(path, root, "/c");
            chain.iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(paths("/a/b", "/"), ["/c/a/b", "/c/a", "/c"]);
        assert_eq!(paths("/a/b", "/a"), ["/c/b", "/c"]);
        assert_eq!(paths("/", "/"), ["/c"]);
        assert_eq!(paths("/x", "/a"), ["/c"], "not shown by this mount");
        assert_eq!(paths("/../../a", "/"), ["/c"], "outside of this namespace");
    }
}
