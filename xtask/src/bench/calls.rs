//! Counts system calls: next to them, what surrounds them is cheap, and they are the same on every
//! machine.
//!
//! As with instructions, a program is run with N units and with twice as many: what the second run needs
//! more is what N units need.
//!
//! `perf` counts in the kernel and disturbs nothing, but not everybody may use it. `strace` stops the
//! program at each call; where something hangs on the clock, such as how often a loop looks whether
//! there is something new, it then shows more calls than there are as a rule.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    time::Duration,
};

use super::{
    contract::{Cost, Metric},
    program::{NoSample, Program},
    record::{Calls, Run, Series},
};

/// All calls, as perf calls them.
const ALL: &str = "raw_syscalls:sys_enter";

/// What perf puts before the name of a call.
const ENTER: &str = "syscalls:sys_enter_";

/// The calls that perf counts by name, where the system has them: counting all by name takes it ten
/// seconds to begin.
const NAMED: [&str; 14] = [
    "recvfrom",
    "sendto",
    "read",
    "write",
    "readv",
    "writev",
    "epoll_wait",
    "epoll_pwait",
    "epoll_ctl",
    "poll",
    "timerfd_settime",
    "clock_gettime",
    "futex",
    "sched_yield",
];

/// Where the system lists what perf can count.
const EVENTS: &str = "/sys/kernel/tracing/events/syscalls";

/// So many calls, in all and by name.
type Counts = (u64, BTreeMap<String, u64>);

/// What counts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tool {
    /// `perf stat`, with these events.
    Perf(String),
    /// `strace -c`.
    Strace,
}

/// Counts the calls of all contenders of those metrics of which only the processor time above a baseline
/// is compared, and notes what has counted. Without a tool that can, nothing is noted.
pub(super) fn count(program: &Program, metrics: &[Metric], limit: Duration, run: &mut Run) {
    let log = env::temp_dir().join(format!("calls-{}.log", process::id()));
    if let Some(tool) = Tool::find(&log) {
        run.calls_by = Some(tool.name().into());
        for (metric, series) in std::iter::zip(metrics, &mut run.metrics) {
            if metric.baseline.is_some()
                && metric.cost == Cost::Cpu
                && count_in(&tool, program, series, limit, &log).is_none()
            {
                // The user has had enough; what was measured stays.
                break;
            }
        }
    }
    fs::remove_file(&log).ok();
}

/// The same for one metric. `None`: the user interrupts.
fn count_in(
    tool: &Tool,
    program: &Program,
    series: &mut Series,
    limit: Duration,
    log: &PathBuf,
) -> Option<()> {
    let Some(units) = series.units else { return Some(()) };
    for contender in &mut series.contenders {
        let counted = |units| {
            let sample = [&*series.name, &*contender.name];
            match program.sample_under(tool.command(log), sample, units, limit) {
                Ok(_) => Ok(tool.counts(&fs::read_to_string(log).unwrap_or_default())),
                Err(NoSample::Interrupted) => Err(()),
                Err(NoSample::Problem(_)) => Ok(None),
            }
        };
        if contender.problem.is_none()
            && let (Some(once), Some(twice)) = (counted(units).ok()?, counted(2 * units).ok()?)
        {
            contender.calls = Some(of_unit(&once, &twice, units));
        }
    }
    Some(())
}

/// What a unit needs, from the counts with so many units and with twice as many.
fn of_unit((all, once): &Counts, (twice_all, twice): &Counts, units: u64) -> Calls {
    let each = |once: u64, twice: u64| twice.saturating_sub(once) as f64 / units as f64;
    let named = twice
        .iter()
        .map(|(name, count)| (name.clone(), each(once.get(name).copied().unwrap_or(0), *count)));
    // What is left of the start of the program is no part of a unit.
    let named = named.filter(|(_, each)| *each >= 0.001).collect();
    Calls { all: each(*all, *twice_all), named }
}

impl Tool {
    /// The first one that can be used here.
    fn find(log: &Path) -> Option<Self> {
        let is_there = |name: &&&str| Path::new(EVENTS).join(format!("sys_enter_{name}")).exists();
        let named = NAMED.iter().filter(is_there).map(|name| format!("{ENTER}{name}"));
        let events: Vec<String> = std::iter::once(ALL.to_owned()).chain(named).collect();
        let tools = [Self::Perf(events.join(",")), Self::Strace];
        tools.into_iter().find(|tool| {
            let mut tried = tool.command(log);
            tried.arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let has_ended = tried.status().is_ok_and(|status| status.success());
            let words = fs::read_to_string(log).unwrap_or_default();
            has_ended && tool.counts(&words).is_some_and(|(all, _)| all > 0)
        })
    }

    /// What it is called.
    fn name(&self) -> &'static str {
        match self {
            Self::Perf(_) => "perf",
            Self::Strace => "strace",
        }
    }

    /// What has to come before a command, so that it is counted in a file.
    fn command(&self, log: &Path) -> Command {
        match self {
            Self::Perf(events) => {
                let mut command = Command::new("perf");
                // The separator makes it speak to programs, in the language of none.
                command.args(["stat", "-x", ",", "-e", events, "-o"]).arg(log).arg("--");
                command.env("LC_ALL", "C");
                command
            }
            Self::Strace => {
                let mut command = Command::new("strace");
                command.args(["-f", "-c", "-o"]).arg(log).arg("--");
                command
            }
        }
    }

    /// The counts in its words. `None`: it has not counted.
    fn counts(&self, words: &str) -> Option<Counts> {
        let lines = words.lines();
        let named: BTreeMap<String, u64> = match self {
            Self::Perf(_) => lines.filter_map(perf_line).collect(),
            Self::Strace => lines.filter_map(strace_line).collect(),
        };
        if named.is_empty() {
            return None;
        }
        match self {
            Self::Perf(_) => {
                let mut named = named;
                let all = named.remove(ALL)?;
                Some((all, named))
            }
            Self::Strace => Some((named.values().sum(), named)),
        }
    }
}

/// The name and the count of a line of perf: `count,unit,event,...`.
fn perf_line(line: &str) -> Option<(String, u64)> {
    let mut fields = line.split(',');
    let count = fields.next()?.parse().ok()?;
    let event = fields.nth(1)?;
    Some((event.strip_prefix(ENTER).unwrap_or(event).into(), count))
}

/// The name and the count of a line of strace: share, seconds, microseconds each, calls, errors if there
/// are some, name.
fn strace_line(line: &str) -> Option<(String, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let name = *fields.last()?;
    let count = fields.get(3)?.parse().ok()?;
    (fields.len() >= 5 && name != "total").then(|| (name.into(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(all: u64, counts: &[(&str, u64)]) -> Counts {
        (all, counts.iter().map(|&(name, count)| (name.into(), count)).collect())
    }

    #[test]
    fn what_the_tools_say_is_understood() {
        let words = "# started on Sun Nov 29 22:48:36 2026\n\n\
                     52681,,raw_syscalls:sys_enter,3684,100.00,,\n\
                     25856,,syscalls:sys_enter_recvfrom,3684,100.00,,\n\
                     0,,syscalls:sys_enter_readv,3684,100.00,,\n\
                     <not counted>,,syscalls:sys_enter_poll,0,0.00,,\n";
        let counts = Tool::Perf(String::new()).counts(words);
        assert_eq!(counts, Some(named(52_681, &[("recvfrom", 25_856), ("readv", 0)])));
        let words = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     \u{20}55.17    0.001234           1       640           recvfrom\n\
                     \u{20}44.83    0.001002           1       128       128 access\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.002236           1       768       128 total\n";
        let counts = Tool::Strace.counts(words);
        assert_eq!(counts, Some(named(768, &[("recvfrom", 640), ("access", 128)])));
        for rubbish in ["", "perf: no permission", "1,,syscalls:sys_enter_read,1,100.00,,"] {
            assert_eq!(Tool::Perf(String::new()).counts(rubbish), None, "{rubbish}");
            assert_eq!(Tool::Strace.counts(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn a_unit_needs_what_twice_as_many_need_more() {
        let once = named(540, &[("read", 40), ("recvfrom", 200), ("futex", 9)]);
        let twice = named(840, &[("read", 40), ("recvfrom", 400), ("sendto", 50), ("futex", 8)]);
        let calls = of_unit(&once, &twice, 100);
        assert!((calls.all - 3.0).abs() < 1e-9);
        let found: Vec<(&str, f64)> =
            calls.named.iter().map(|(name, each)| (&**name, *each)).collect();
        assert_eq!(found, [("recvfrom", 2.0), ("sendto", 0.5)]);
    }
}
