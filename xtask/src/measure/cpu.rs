//! The CPU time of a process tree.

use std::time::Duration;

use rustix::process::Pid;

use super::{Tree, clock, procfs};

/// How often a snapshot is taken anew because the tree changed meanwhile.
const ATTEMPTS: u32 = 5;

/// The CPU time that a [`Tree`] has used up to one moment.
///
/// It is the sum of two parts: the CPU clock of every process that nobody has waited for yet, in
/// nanoseconds ([`clock_getcpuclockid(3)`]), and what their parents keep of those that have been
/// waited for (`cutime` and `cstime`), in clock ticks. When a process is waited for, its time moves
/// from the first part to the second; a reading during which that happened is repeated.
///
/// The root must not have been waited for before the last snapshot. **Not** counted, because no one
/// keeps it: processes that end while their parent ignores `SIGCHLD`, and orphans that were adopted
/// outside of the tree (see [`Tree`]) or waited for by
/// [`reap_orphans`](super::reap_orphans) between two snapshots.
///
/// [`clock_getcpuclockid(3)`]: https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CpuSnapshot {
    /// The sum of the CPU clocks.
    clocks: Duration,
    /// The sum of `cutime` and `cstime`, in clock ticks.
    waited_ticks: u64,
    /// How many processes have waited for children, whose time is in ticks and rounded down.
    parents: u32,
    /// Whether the tree held still.
    stability: Stability,
}

/// Whether a tree held still while it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stability {
    /// Nothing started, ended or was waited for: the reading is of one moment.
    Settled,
    /// It changed during each of several attempts: the time of a process that was waited for in the
    /// meantime may be missing. None is counted twice.
    Moving,
}

/// The CPU time used between two snapshots.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CpuUsage {
    /// The time, user and system together.
    pub cpu: Duration,
    /// The time may be wrong by this much in either direction: 1 ns if no process of the tree has
    /// waited for a child, otherwise two clock ticks for each process that has.
    pub resolution: Duration,
    /// Whether both snapshots are of one moment each.
    pub stability: Stability,
}

impl CpuSnapshot {
    /// Takes a snapshot of the tree of `root`; `None` if `root` is gone or this platform has no CPU
    /// clock of other processes.
    pub fn of(root: Pid) -> Option<Self> {
        let mut before = Tree::of(root)?;
        let mut snapshot = Self::sum(root, &before)?;
        for _ in 0..ATTEMPTS {
            let after = Tree::of(root)?;
            if after == before {
                return Some(Self { stability: Stability::Settled, ..snapshot });
            }
            before = after;
            snapshot = Self::sum(root, &before)?;
        }
        Some(snapshot)
    }

    /// Adds up what the processes of `tree` have used.
    ///
    /// The ticks were read with the tree and the clocks are read now: what moves from a clock to
    /// the ticks in between is missed and never counted twice.
    fn sum(root: Pid, tree: &Tree) -> Option<Self> {
        let mut snapshot = Self {
            clocks: clock::process_cpu(root)?,
            waited_ticks: 0,
            parents: 0,
            stability: Stability::Moving,
        };
        for process in tree.processes() {
            if process.pid != root {
                snapshot.clocks += clock::process_cpu(process.pid).unwrap_or_default();
            }
            snapshot.waited_ticks += process.waited_ticks;
            snapshot.parents += u32::from(process.waited_faults > 0);
        }
        Some(snapshot)
    }

    /// The CPU time used since an `earlier` snapshot of the same tree; `None` if the tree has less
    /// than before, which means that a part of it was lost from sight.
    pub fn since(&self, earlier: &Self) -> Option<CpuUsage> {
        let resolution = match self.parents.max(earlier.parents) {
            0 => clock::RESOLUTION,
            parents => procfs::tick() * 2 * parents,
        };
        let cpu = match self.total().checked_sub(earlier.total()) {
            Some(cpu) => cpu,
            None if self.total() + resolution >= earlier.total() => Duration::ZERO,
            None => return None,
        };
        let settled = [self, earlier].iter().all(|snap| snap.stability == Stability::Settled);
        let stability = if settled { Stability::Settled } else { Stability::Moving };
        Some(CpuUsage { cpu, resolution, stability })
    }

    /// The CPU time of the tree since its processes started.
    pub fn total(&self) -> Duration {
        self.clocks + procfs::ticks_to_time(self.waited_ticks)
    }
}

/// The CPU time of all children that this process has waited for, and of those that they have;
/// in steps of a clock tick.
pub fn children_cpu() -> Duration {
    let stat = procfs::stat(rustix::process::getpid());
    stat.map_or(Duration::ZERO, |stat| procfs::ticks_to_time(stat.waited_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A settled snapshot.
    fn snapshot(clocks_ms: u64, waited_ticks: u64, parents: u32) -> CpuSnapshot {
        let clocks = Duration::from_millis(clocks_ms);
        CpuSnapshot { clocks, waited_ticks, parents, stability: Stability::Settled }
    }

    #[test]
    fn time_that_moves_to_the_parent_is_counted_once() {
        let ticks_per_second =
            u64::try_from(Duration::from_secs(1).as_nanos() / procfs::tick().as_nanos()).unwrap();
        let usage = snapshot(300, ticks_per_second, 1).since(&snapshot(1_000, 0, 0)).unwrap();
        assert_eq!(usage.cpu, Duration::from_millis(300));
        assert_eq!(usage.resolution, 2 * procfs::tick());
        assert_eq!(usage.stability, Stability::Settled);
    }

    #[test]
    fn rounding_is_no_loss_but_a_loss_is() {
        let tick_ms = u64::try_from(procfs::tick().as_millis()).unwrap();
        let earlier = snapshot(100, 0, 0);
        let rounded = snapshot(100 - tick_ms, 0, 1).since(&earlier).unwrap();
        assert_eq!(rounded.cpu, Duration::ZERO);
        assert_eq!(snapshot(50, 0, 1).since(&earlier), None);
        assert_eq!(snapshot(99, 0, 0).since(&earlier), None);
    }

    #[test]
    fn a_moving_tree_is_marked() {
        let moving = CpuSnapshot { stability: Stability::Moving, ..snapshot(1, 0, 0) };
        let usage = snapshot(2, 0, 0).since(&moving).unwrap();
        assert_eq!((usage.stability, usage.resolution), (Stability::Moving, clock::RESOLUTION));
    }

    #[cfg(target_os = "linux")]
    mod processes {
        use super::*;
        use crate::measure::fixture::Script;

        /// A loop that computes until it is killed.
        const BUSY: &str = "while :; do :; done";

        /// What the tree of `script` has used since `earlier`.
        fn used(script: &Script, earlier: &CpuSnapshot) -> CpuUsage {
            CpuSnapshot::of(script.pid()).unwrap().since(earlier).unwrap()
        }

        #[test]
        fn a_busy_descendant_counts_and_a_sleeping_one_does_not() {
            let busy = Script::start(&format!("echo up; sh -c '{BUSY}' & wait"));
            let idle = Script::start("sh -c 'echo up; exec sleep 1000' & wait");
            busy.line("up");
            idle.line("up");
            // The last thing that costs CPU is becoming `sleep`, and `sleep` then sleeps.
            let mut last = CpuSnapshot::of(idle.pid()).unwrap();
            let mut still = 0;
            idle.until("its clock stands still", || {
                let now = CpuSnapshot::of(idle.pid()).unwrap();
                still = if now == last { still + 1 } else { 0 };
                last = now;
                still == 20
            });
            let before = (CpuSnapshot::of(busy.pid()).unwrap(), last);
            busy.until("it has used 50 ms", || {
                used(&busy, &before.0).cpu >= Duration::from_millis(50)
            });
            assert_eq!(used(&idle, &before.1).cpu, Duration::ZERO);
            assert_eq!(used(&busy, &before.0).resolution, clock::RESOLUTION);
        }

        #[test]
        fn a_child_that_was_waited_for_counts_through_its_parent() {
            let mut script = Script::start(&format!(
                "sh -c '{BUSY}' & child=$!; echo $child; read go; kill $child; wait $child 2>/dev/null; \
                 echo waited; read go"
            ));
            let child = Pid::from_raw(script.any_line().parse().unwrap()).unwrap();
            let start = CpuSnapshot::of(script.pid()).unwrap();
            let wanted = Duration::from_millis(200);
            let enough = start.total() + wanted;
            script.until("the child has used 200 ms since", || {
                clock::process_cpu(child).is_some_and(|cpu| cpu >= enough)
            });
            script.go_on();
            script.line("waited");
            assert_eq!(clock::process_cpu(child), None);
            let usage = used(&script, &start);
            assert_eq!(usage.resolution, 2 * procfs::tick());
            let own = clock::process_cpu(script.pid()).unwrap();
            assert!(own < wanted, "the shell itself has only waited: {own:?}");
            assert!(usage.cpu + usage.resolution >= wanted, "{usage:?}");
        }

        #[test]
        fn children_that_come_and_go_are_never_counted_twice() {
            let script = Script::start("echo up; while :; do sh -c ':'; done");
            script.line("up");
            let started = std::time::Instant::now();
            let mut last = CpuSnapshot::of(script.pid()).unwrap();
            let first = last;
            for _ in 0..200 {
                let now = CpuSnapshot::of(script.pid()).unwrap();
                assert!(now.since(&first).is_some(), "{first:?} {now:?}");
                last = now;
            }
            // The loop runs one process at a time, and so do its processes.
            let usage = last.since(&first).unwrap();
            let most = started.elapsed() + usage.resolution;
            assert!(usage.cpu <= most, "{usage:?} within {most:?}");
        }

        #[test]
        fn a_zombie_root_can_still_be_read() {
            let script = Script::start("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
            script.until("the script is a zombie", || {
                procfs::stat(script.pid()).is_some_and(|stat| stat.state == 'Z')
            });
            assert!(CpuSnapshot::of(script.pid()).unwrap().total() > Duration::ZERO);
        }

        #[test]
        fn a_root_that_was_waited_for_is_none() {
            let script = Script::start("sleep 1000");
            let root = script.pid();
            drop(script);
            assert_eq!(CpuSnapshot::of(root), None);
        }
    }
}
