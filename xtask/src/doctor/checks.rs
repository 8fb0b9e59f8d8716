//! What the facts mean for a comparison.

use crate::measure::Machine;

use super::facts::Facts;

/// Threads of the largest point of `io.wait`, with some to spare for everything else.
const THREADS: u64 = 10_500;

/// Memory that 10,000 threads of any language need, in bytes.
const MEMORY: u64 = 1 << 30;

/// Descriptors that a lane host needs for its workers' pipes, its connections and its files.
const DESCRIPTORS: u64 = 1_024;

/// Disk space for inputs, builds and results, in bytes.
const DISK: u64 = 2 << 30;

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// What.
    pub what: &'static str,
    /// What was seen.
    pub seen: String,
    /// Whether it suits a comparison.
    pub state: State,
}

/// Whether something suits a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does.
    Ok,
    /// It does not, or not quite; what to do about it.
    Warn(String),
}

impl Check {
    /// A check that warns, with what to do, unless all is well.
    fn new(what: &'static str, seen: impl Into<String>, well: bool, todo: &str) -> Self {
        let state = if well { State::Ok } else { State::Warn(todo.into()) };
        Self { what, seen: seen.into(), state }
    }
}

/// All checks.
pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![cores(facts), quota(facts)];
    checks.extend(limits(facts));
    checks.extend([noise(facts), governor(facts), machine(facts), python(facts), git(facts)]);
    checks.extend([target(facts), disk(facts)]);
    checks
}

/// Processors.
fn cores(facts: &Facts) -> Check {
    let cores = facts.limits.available_parallelism;
    let seen = match (cores, facts.limits.cores_online) {
        (Some(usable), Some(online)) => format!("{usable} usable of {online}"),
        (Some(usable), None) => format!("{usable} usable"),
        (None, _) => "not known".into(),
    };
    let todo = "with one core no model computes faster than one after another; waiting, memory and \
                faults are still compared";
    Check::new("cores", seen, cores.is_some_and(|cores| cores > 1), todo)
}

/// The CPU quota of the control groups.
fn quota(facts: &Facts) -> Check {
    let Some(quota) = facts.limits.cpu_quota else {
        return Check::new("CPU quota", "none", true, "");
    };
    let todo = "below one core every lane is held back in turn and wall-clock times say little: \
                raise the quota (docker: --cpus), or look at CPU time only";
    Check::new("CPU quota", format!("{quota:.2} cores"), quota >= 1.0, todo)
}

/// What limits threads, descriptors and memory.
fn limits(facts: &Facts) -> [Check; 3] {
    let limits = &facts.limits;
    let tasks =
        [limits.pids_max, limits.nproc_soft, limits.threads_max].into_iter().flatten().min();
    let tasks_todo = "io.wait starts 10,000 threads: raise ulimit -u, pids.max (docker: \
                      --pids-limit) or kernel.threads-max";
    // The comparison raises the soft limit to the hard one by itself.
    let files = limits.nofile_hard;
    let files_todo = "raise ulimit -Hn: lane hosts need descriptors for workers and connections";
    let memory = [limits.memory_max, facts.memory_available].into_iter().flatten().min();
    let memory_todo = "10,000 threads need about 1 GiB: end other programs or raise the memory \
                       limit, or leave io.wait out";
    let number = |value: Option<u64>| value.map_or_else(|| "no limit".into(), |n| n.to_string());
    let mebibytes =
        memory.map_or_else(|| "not known".into(), |bytes| format!("{} MiB to be had", bytes >> 20));
    let enough = |value: Option<u64>, needed| value.is_none_or(|value| value >= needed);
    [
        Check::new("threads and processes", number(tasks), enough(tasks, THREADS), tasks_todo),
        Check::new("descriptors", number(files), enough(files, DESCRIPTORS), files_todo),
        Check::new("memory", mebibytes, enough(memory, MEMORY), memory_todo),
    ]
}

/// What others do.
fn noise(facts: &Facts) -> Check {
    let seen = facts.noise.lost().map_or_else(
        || "not measured here".into(),
        |share| format!("others used {:.0} % of the machine for half a second", share * 100.0),
    );
    let todo = "end what runs beside it, or look at CPU time instead of wall-clock time";
    Check::new("noise", seen, !facts.noise.is_noisy(), todo)
}

/// What decides on the clock rate.
fn governor(facts: &Facts) -> Check {
    let governor = facts.environment.governor.as_deref();
    let todo = "the clock rate changes while it measures: cpupower frequency-set -g performance";
    let well = governor.is_none_or(|name| name == "performance");
    Check::new("CPU governor", governor.unwrap_or("not told"), well, todo)
}

/// Metal or not.
fn machine(facts: &Facts) -> Check {
    let (seen, well) = match facts.environment.machine {
        Some(Machine::Physical) => ("physical", true),
        Some(Machine::Virtual) => ("virtual", false),
        None => ("not known whether physical or virtual", true),
    };
    let todo = "other guests may take processors away unseen; repeat at another time of day before \
                you trust small differences";
    Check::new("machine", seen, well, todo)
}

/// Python.
fn python(facts: &Facts) -> Check {
    match &facts.python {
        Ok(path) => Check::new("Python", path.display().to_string(), true, ""),
        Err(why) => {
            let todo = "without it the Python half of the classic answer is not measured";
            Check::new("Python", why.clone(), false, todo)
        }
    }
}

/// git.
fn git(facts: &Facts) -> Check {
    let seen = if facts.git { "found" } else { "not found" };
    Check::new("git", seen, facts.git, "install it: results then name the revision they belong to")
}

/// Where results go.
fn target(facts: &Facts) -> Check {
    let seen = facts.target.display().to_string();
    let todo = "it cannot be written to: make it writable, or set CARGO_TARGET_DIR";
    Check::new("results", seen, facts.writable, todo)
}

/// Space for them.
fn disk(facts: &Facts) -> Check {
    let seen = facts.free.map_or_else(
        || "not known".into(),
        |bytes| format!("{:.1} GiB free", bytes as f64 / f64::from(1 << 30)),
    );
    let todo = "builds and inputs need about 2 GiB: make room, or set CARGO_TARGET_DIR";
    Check::new("disk", seen, facts.free.is_none_or(|bytes| bytes >= DISK), todo)
}

#[cfg(test)]
mod tests {
    use crate::measure::{Environment, HostNoise, Limits};

    use super::*;

    /// A machine on which all is well.
    fn well() -> Facts {
        Facts {
            limits: Limits {
                cores_online: Some(8),
                available_parallelism: Some(8),
                cpu_quota: None,
                memory_max: None,
                pids_max: None,
                nofile_soft: Some(1_024),
                nofile_hard: Some(4_096),
                nproc_soft: None,
                threads_max: Some(100_000),
            },
            environment: Environment {
                cpu_model: None,
                kernel: "Linux 6".into(),
                architecture: "x86_64".into(),
                governor: Some("performance".into()),
                machine: Some(Machine::Physical),
            },
            noise: HostNoise {
                foreign_cpu: Some(0.01),
                steal: Some(0.0),
                psi_some_cpu: None,
                throttled: None,
            },
            memory_available: Some(8 << 30),
            python: Ok("python3".into()),
            git: true,
            target: "target/compare".into(),
            writable: true,
            free: Some(50 << 30),
        }
    }

    /// What warns once `change` was made to a machine on which all is well.
    fn warned(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
        let mut facts = well();
        change(&mut facts);
        let checks = checks(&facts).into_iter();
        checks.filter(|check| check.state != State::Ok).map(|check| check.what).collect()
    }

    #[test]
    fn each_fact_warns_by_itself() {
        assert_eq!(warned(|_| {}), [""; 0]);
        assert_eq!(warned(|facts| facts.limits.available_parallelism = Some(1)), ["cores"]);
        assert_eq!(warned(|facts| facts.limits.cpu_quota = Some(0.5)), ["CPU quota"]);
        assert_eq!(warned(|facts| facts.limits.cpu_quota = Some(1.0)), [""; 0]);
        assert_eq!(warned(|facts| facts.limits.pids_max = Some(512)), ["threads and processes"]);
        assert_eq!(warned(|facts| facts.limits.threads_max = Some(512)), ["threads and processes"]);
        assert_eq!(warned(|facts| facts.limits.nofile_hard = Some(256)), ["descriptors"]);
        assert_eq!(warned(|facts| facts.limits.memory_max = Some(1 << 28)), ["memory"]);
        assert_eq!(warned(|facts| facts.memory_available = Some(1 << 28)), ["memory"]);
        assert_eq!(warned(|facts| facts.noise.foreign_cpu = Some(0.2)), ["noise"]);
        let powersave = |facts: &mut Facts| facts.environment.governor = Some("powersave".into());
        assert_eq!(warned(powersave), ["CPU governor"]);
        let guest = |facts: &mut Facts| facts.environment.machine = Some(Machine::Virtual);
        assert_eq!(warned(guest), ["machine"]);
        assert_eq!(warned(|facts| facts.python = Err("not found".into())), ["Python"]);
        assert_eq!(warned(|facts| facts.git = false), ["git"]);
        assert_eq!(warned(|facts| facts.writable = false), ["results"]);
        assert_eq!(warned(|facts| facts.free = Some(1 << 20)), ["disk"]);
    }

    #[test]
    fn what_is_not_known_is_no_warning() {
        let unknown = warned(|facts| {
            facts.free = None;
            facts.memory_available = None;
            facts.environment.machine = None;
            facts.environment.governor = None;
            facts.noise.foreign_cpu = None;
            facts.noise.steal = None;
        });
        assert_eq!(unknown, [""; 0]);
    }

    #[test]
    fn every_warning_says_what_to_do() {
        let mut facts = well();
        facts.limits.cpu_quota = Some(0.3);
        facts.python = Err("not found: python3".into());
        for check in checks(&facts) {
            if let State::Warn(todo) = check.state {
                assert!(todo.len() > 20 && !check.seen.is_empty(), "{}", check.what);
            }
        }
    }
}
