//! What else went on while a lane was measured.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::getpid;

use super::{cgroup, clock, procfs};

/// The share of capacity lost to others from which a round counts as noisy.
const NOISY: f64 = 0.10;

/// The shortest time over which `/proc/stat`, which counts in clock ticks and on many kernels only
/// samples, says anything about 10 % of it.
const LEAST_TIME: Duration = Duration::from_millis(200);

/// A measurement of the noise of the host, from [`start`](Self::start) to
/// [`finish`](Self::finish).
#[derive(Debug)]
pub struct NoiseProbe {
    /// When it was started.
    started: Instant,
    /// The counters at that moment.
    counters: Counters,
}

/// What disturbed a measurement. `None` means not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostNoise {
    /// The share of the capacity that processes other than the measured ones have used. The
    /// capacity is the time of all processors that this process may run on; if its control groups
    /// have a CPU quota it is the quota, and others are those of the same group.
    ///
    /// `None` also for measurements below 200 ms, about which the counters say nothing.
    pub foreign_cpu: Option<f64>,
    /// The share of the time of those processors that the hypervisor gave to other guests; `None`
    /// below 200 ms as well.
    pub steal: Option<f64>,
    /// The share of the time in which at least one task had to wait for a processor, the measured
    /// ones included: a lane with more threads than processors causes pressure by itself.
    pub psi_some_cpu: Option<f64>,
    /// How long the control groups around this process were held back for having used up their
    /// quota, added up over processors. A property of the limit more than noise.
    pub throttled: Option<Duration>,
}

/// The counters of the host at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counters {
    /// The time in which they worked, and the time the hypervisor kept from them.
    machine: Option<Spent>,
    /// The CPU quota in force, in cores, with what its group has used.
    quota: Option<(f64, Duration)>,
    /// The total of the CPU pressure line `some`.
    pressure: Option<Duration>,
    /// How long the control groups have been throttled.
    throttled: Option<Duration>,
    /// The CPU time of the calling process.
    own: Option<Duration>,
}

/// What the lines of `/proc/stat` add up to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Spent {
    /// Clock ticks of work of any kind.
    busy_ticks: u64,
    /// Clock ticks that the hypervisor gave to others.
    steal_ticks: u64,
    /// How many processors were counted.
    processors: u32,
}

impl NoiseProbe {
    /// Starts measuring.
    pub fn start() -> Self {
        Self { counters: Counters::read(), started: Instant::now() }
    }

    /// Ends the measurement. `own` is the CPU time that the measured processes have used since the
    /// start, that is all children which worked on behalf of the measurement; what the calling
    /// process itself has used is added here.
    pub fn finish(self, own: Duration) -> HostNoise {
        let elapsed = self.started.elapsed();
        Counters::read().since(&self.counters, elapsed, own)
    }
}

impl HostNoise {
    /// The share of the capacity that others have taken, by running here or through the
    /// hypervisor; `None` if neither was measured.
    pub fn lost(&self) -> Option<f64> {
        match (self.foreign_cpu, self.steal) {
            (None, None) => None,
            (foreign, steal) => Some(foreign.unwrap_or(0.0) + steal.unwrap_or(0.0)),
        }
    }

    /// Whether others have taken more than 10 % of the capacity. Not if nothing was measured;
    /// [`lost`](Self::lost) tells the two apart.
    pub fn is_noisy(&self) -> bool {
        self.lost().is_some_and(|share| share > NOISY)
    }
}

impl Counters {
    /// Reads the counters.
    fn read() -> Self {
        let files = |path: &Path| procfs::read(path);
        let status = procfs::read("/proc/self/status");
        let allowed = status.as_deref().and_then(allowed_processors);
        let machine = procfs::read("/proc/stat").and_then(|text| spent(&text, allowed.as_ref()));
        let quota = cgroup::cpu_quota(&files);
        let pressure = quota
            .as_ref()
            .and_then(|quota| quota.pressure(&files))
            .or_else(|| procfs::read("/proc/pressure/cpu"));
        Self {
            machine,
            quota: quota.and_then(|quota| Some((quota.cores, quota.usage(&files)?))),
            pressure: pressure.as_deref().and_then(some_total),
            throttled: cgroup::throttled(&files),
            own: clock::process_cpu(getpid()),
        }
    }

    /// What happened in the `elapsed` time since `earlier`, of which `own` is the measured
    /// processes' part.
    fn since(&self, earlier: &Self, elapsed: Duration, own: Duration) -> HostNoise {
        let difference = |now: Option<Duration>, then: Option<Duration>| now?.checked_sub(then?);
        let own = own + difference(self.own, earlier.own).unwrap_or_default();
        let seconds = elapsed.as_secs_f64();
        let long_enough = elapsed >= LEAST_TIME;
        let machine = self.machine.zip(earlier.machine).filter(|_| long_enough);
        let share_of_machine = |now: u64, then: u64, own: Duration, processors: u32| {
            let time = procfs::ticks_to_time(now.checked_sub(then)?).saturating_sub(own);
            Some(time.as_secs_f64() / (seconds * f64::from(processors)))
        };
        let foreign_in_quota = self.quota.zip(earlier.quota).map(|((cores, now), (_, then))| {
            now.saturating_sub(then).saturating_sub(own).as_secs_f64() / (seconds * cores)
        });
        HostNoise {
            foreign_cpu: foreign_in_quota.filter(|_| long_enough).or_else(|| {
                let (now, then) = machine?;
                share_of_machine(now.busy_ticks, then.busy_ticks, own, now.processors)
            }),
            steal: machine.and_then(|(now, then)| {
                share_of_machine(now.steal_ticks, then.steal_ticks, Duration::ZERO, now.processors)
            }),
            psi_some_cpu: difference(self.pressure, earlier.pressure)
                .filter(|_| !elapsed.is_zero())
                .map(|time| time.as_secs_f64() / seconds),
            throttled: difference(self.throttled, earlier.throttled),
        }
    }
}

/// The processors that a process may run on, from its `status`.
fn allowed_processors(status: &str) -> Option<BTreeSet<usize>> {
    status.lines().find_map(|line| procfs::parse_list(line.strip_prefix("Cpus_allowed_list:")?))
}

/// Adds up the lines of `/proc/stat` for the processors that this process may run on, or for all if
/// that is not known (`proc_stat(5)`).
fn spent(text: &str, allowed: Option<&BTreeSet<usize>>) -> Option<Spent> {
    let mut sum = Spent::default();
    for line in text.lines() {
        let Some((processor, counters)) = line
            .strip_prefix("cpu")
            .and_then(|rest| rest.split_once(' '))
            .and_then(|(number, counters)| Some((number.parse::<usize>().ok()?, counters)))
        else {
            continue;
        };
        if allowed.is_some_and(|allowed| !allowed.contains(&processor)) {
            continue;
        }
        let ticks: Vec<u64> =
            counters.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
        // Guest time is part of user time, and idle and iowait are no work.
        let &[user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks.as_slice()
        else {
            return None;
        };
        sum.busy_ticks += user + nice + system + irq + softirq;
        sum.steal_ticks += steal;
        sum.processors += 1;
    }
    (sum.processors > 0).then_some(sum)
}

/// The total of the line `some` of a pressure file, which counts in microseconds
/// (`Documentation/accounting/psi.rst`).
fn some_total(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two processors; the first line is their sum and must not be counted.
    const STAT: &str = "cpu  300 30 60 9000 90 6 3 50 7 0\n\
                        cpu0 100 10 20 3000 30 2 1 40 7 0\n\
                        cpu1 200 20 40 6000 60 4 2 10 0 0\n\
                        intr 12345 0 0\nctxt 99\n";

    #[test]
    fn only_allowed_processors_count() {
        let all = Spent { busy_ticks: 133 + 266, steal_ticks: 50, processors: 2 };
        assert_eq!(spent(STAT, None), Some(all));
        let second = Spent { busy_ticks: 266, steal_ticks: 10, processors: 1 };
        assert_eq!(spent(STAT, Some(&BTreeSet::from([1, 5]))), Some(second));
        assert_eq!(spent(STAT, Some(&BTreeSet::new())), None);
        assert_eq!(spent("cpu0 1 2 3\n", None), None, "half a line is no measurement");
        assert_eq!(spent("", None), None);
    }

    #[test]
    fn the_affinity_is_a_list() {
        let status = "Cpus_allowed:\tffff\nCpus_allowed_list:\t1,3-4\nMems_allowed_list:\t0\n";
        assert_eq!(allowed_processors(status), Some(BTreeSet::from([1, 3, 4])));
        assert_eq!(allowed_processors("Cpus_allowed:\tffff\n"), None);
    }

    #[test]
    fn pressure_is_read_from_the_line_some() {
        let text = "some avg10=1.25 avg60=0.40 avg300=0.31 total=6622369\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n";
        assert_eq!(some_total(text), Some(Duration::from_micros(6_622_369)));
        assert_eq!(some_total("full avg10=0.00 total=9\n"), None);
    }

    /// The counters of two processors that have worked and been stolen for so many milliseconds.
    fn counters(busy_ms: u64, steal_ms: u64) -> Counters {
        let ticks = |ms: u64| ms / u64::try_from(procfs::tick().as_millis()).unwrap();
        let machine =
            Spent { busy_ticks: ticks(busy_ms), steal_ticks: ticks(steal_ms), processors: 2 };
        Counters { machine: Some(machine), ..Counters::default() }
    }

    /// The noise of a second in which the machine worked, and was stolen, for so many milliseconds,
    /// the measured processes for `own_ms` of them.
    fn second(busy_ms: u64, steal_ms: u64, own_ms: u64) -> HostNoise {
        let (start, end) = (counters(5_000, 100), counters(5_000 + busy_ms, 100 + steal_ms));
        end.since(&start, Duration::from_secs(1), Duration::from_millis(own_ms))
    }

    /// Whether a share is this one.
    fn close(share: Option<f64>, expected: f64) -> bool {
        share.is_some_and(|share| (share - expected).abs() < 1e-9)
    }

    #[test]
    fn work_of_others_is_noise_and_own_work_is_not() {
        let quiet = second(2_000, 0, 2_000);
        assert!(close(quiet.foreign_cpu, 0.0) && close(quiet.steal, 0.0), "{quiet:?}");
        assert!(!quiet.is_noisy());
        let noisy = second(2_000, 0, 1_700);
        assert!(close(noisy.foreign_cpu, 0.15) && noisy.is_noisy(), "{noisy:?}");
        let stolen = second(1_000, 300, 1_000);
        assert!(close(stolen.steal, 0.15) && stolen.is_noisy(), "{stolen:?}");
        let both = second(1_120, 120, 1_000);
        assert!(close(both.lost(), 0.12) && both.is_noisy(), "{both:?}");
        let bearable = second(1_180, 0, 1_000);
        assert!(close(bearable.lost(), 0.09) && !bearable.is_noisy(), "{bearable:?}");
        assert!(close(second(500, 0, 600).foreign_cpu, 0.0), "ticks round down");
    }

    #[test]
    fn what_the_caller_used_is_not_foreign() {
        let own = |ms| Some(Duration::from_millis(ms));
        let start = Counters { own: own(1_000), ..counters(0, 0) };
        let end = Counters { own: own(1_400), ..counters(1_000, 0) };
        let noise = end.since(&start, Duration::from_secs(1), Duration::from_millis(500));
        assert!(close(noise.foreign_cpu, 0.05), "{noise:?}");
    }

    #[test]
    fn within_a_quota_only_the_group_counts() {
        let with = |used_ms, busy_ms| Counters {
            quota: Some((0.5, Duration::from_millis(used_ms))),
            throttled: Some(Duration::from_millis(used_ms / 10)),
            pressure: Some(Duration::from_millis(used_ms / 2)),
            ..counters(busy_ms, 0)
        };
        let noise =
            with(500, 2_000).since(&with(0, 0), Duration::from_secs(1), Duration::from_millis(400));
        assert!(close(noise.foreign_cpu, 0.2), "100 ms of the 500 ms allowed: {noise:?}");
        assert!(close(noise.psi_some_cpu, 0.25), "{noise:?}");
        assert_eq!(noise.throttled, Some(Duration::from_millis(50)));
    }

    #[test]
    fn what_was_not_measured_is_none_and_not_quiet() {
        let nothing = Counters::default();
        let noise = nothing.since(&nothing, Duration::from_secs(1), Duration::ZERO);
        let unknown =
            HostNoise { foreign_cpu: None, steal: None, psi_some_cpu: None, throttled: None };
        assert_eq!(noise, unknown);
        assert_eq!((noise.lost(), noise.is_noisy()), (None, false));
        let short =
            counters(100, 0).since(&counters(0, 0), Duration::from_millis(199), Duration::ZERO);
        assert_eq!((short.foreign_cpu, short.steal), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn foreign_work_shows_and_disowned_work_is_foreign() {
        use crate::measure::{CpuSnapshot, fixture::Script};

        let script = Script::start("echo up; while :; do :; done");
        script.line("up");
        let before = CpuSnapshot::of(script.pid()).unwrap();
        let (known, unknown) = (NoiseProbe::start(), NoiseProbe::start());
        let mut used = Duration::ZERO;
        script.until("it has used 300 ms", || {
            used = CpuSnapshot::of(script.pid()).unwrap().since(&before).unwrap().cpu;
            used >= Duration::from_millis(300)
        });
        let (unknown, known) = (unknown.finish(Duration::ZERO), known.finish(used));
        let (Some(with), Some(without)) = (unknown.foreign_cpu, known.foreign_cpu) else {
            panic!("300 ms on one processor take longer than 200 ms: {unknown:?} {known:?}");
        };
        // Other tests run on the same machine: only the difference is known.
        assert!(with > without, "{with} with the script, {without} without");
    }
}
