//! How often the threads of a tree gave the processor away, and how often it was taken from them.

use std::collections::BTreeMap;

use super::{Tree, procfs};

/// The context switches of every live thread of a tree up to one moment.
#[derive(Clone, Debug)]
pub struct SwitchSnapshot {
    /// The switches of each thread, by process id and thread id.
    threads: BTreeMap<(i32, i32), Switches>,
}

/// Context switches.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Switches {
    /// The thread waited for something.
    pub voluntary: u64,
    /// The thread was interrupted while it had work.
    pub involuntary: u64,
}

impl SwitchSnapshot {
    /// Reads the switches of all threads of `tree`; `None` if none could be read.
    pub fn of(tree: &Tree) -> Option<Self> {
        let mut threads = BTreeMap::new();
        for process in tree.processes() {
            let tasks = format!("/proc/{}/task", process.pid);
            for thread in procfs::ids_in(&tasks) {
                let status = procfs::read(format!("{tasks}/{thread}/status"));
                if let Some(switches) = status.as_deref().and_then(parse) {
                    threads.insert((process.pid.as_raw_pid(), thread.as_raw_pid()), switches);
                }
            }
        }
        (!threads.is_empty()).then_some(Self { threads })
    }

    /// The switches since an `earlier` snapshot: *at least* that many, because a thread takes its
    /// count with it when it ends. The switches of threads that have started since count in full.
    pub fn since(&self, earlier: &Self) -> Switches {
        let mut sum = Switches::default();
        for (thread, now) in &self.threads {
            // A lower count belongs to another thread that has got the same id.
            let before = earlier
                .threads
                .get(thread)
                .copied()
                .filter(|old| old.voluntary <= now.voluntary && old.involuntary <= now.involuntary)
                .unwrap_or_default();
            sum.voluntary += now.voluntary - before.voluntary;
            sum.involuntary += now.involuntary - before.involuntary;
        }
        sum
    }
}

/// The switches in the `status` of a thread.
fn parse(status: &str) -> Option<Switches> {
    Some(Switches {
        voluntary: procfs::keyed(status, "voluntary_ctxt_switches")?,
        involuntary: procfs::keyed(status, "nonvoluntary_ctxt_switches")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A snapshot of threads of process 1: thread id, voluntary, involuntary.
    fn snapshot(threads: &[(i32, u64, u64)]) -> SwitchSnapshot {
        let switches = |voluntary, involuntary| Switches { voluntary, involuntary };
        SwitchSnapshot {
            threads: threads.iter().map(|&(id, v, i)| ((1, id), switches(v, i))).collect(),
        }
    }

    #[test]
    fn ended_threads_and_reused_ids_subtract_nothing() {
        let before = snapshot(&[(1, 10, 1), (2, 500, 50), (3, 900, 90)]);
        let after = snapshot(&[(1, 15, 2), (3, 4, 0), (4, 7, 3)]);
        assert_eq!(after.since(&before), Switches { voluntary: 5 + 4 + 7, involuntary: 1 + 3 });
    }

    #[test]
    fn half_a_status_is_none() {
        assert_eq!(parse("voluntary_ctxt_switches:\t5\n"), None);
        let both = "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";
        assert_eq!(parse(both), Some(Switches { voluntary: 5, involuntary: 6 }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_wait_of_a_descendant_is_a_voluntary_switch() {
        use crate::measure::{Process, fixture::Script};

        let rounds = 50;
        let mut script = Script::start(
            "exec 3<&0; sh -c 'while read go; do echo went; done' <&3 & echo up; wait",
        );
        script.line("up");
        let root = script.pid();
        let tree = || Tree::of(root).unwrap();
        script.until("both shells run", || tree().len() == 2);
        let before = SwitchSnapshot::of(&tree()).unwrap();
        for _ in 0..rounds {
            script.until("both shells wait", || {
                let state = |process: &Process| procfs::stat(process.pid).unwrap().state;
                tree().processes().all(|process| state(process) == 'S')
            });
            script.go_on();
            script.line("went");
        }
        let after = SwitchSnapshot::of(&tree()).unwrap();
        let switches = after.since(&before);
        // A shell that is told to go on while it is falling asleep does not switch.
        assert!(switches.voluntary >= rounds / 2, "{switches:?}");
    }
}
