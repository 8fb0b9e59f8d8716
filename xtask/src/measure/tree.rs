//! The processes that a lane consists of.

use std::collections::{BTreeMap, HashMap};

use rustix::process::{Pid, getpid};

use super::procfs::{self, Stat};

/// A process and all its live descendants at one moment, zombies included: as long as nobody has
/// waited for them, their CPU time is nowhere else.
///
/// Also part of the tree are processes whose parent has died and which the calling process has
/// adopted ([`become_subreaper`](super::become_subreaper)), as long as they have stayed in the
/// process group that the root leads; a host is therefore to be started as the leader of a group of
/// its own.
///
/// What is **not** guaranteed: the tree is read process by process, while it changes. A child that
/// is started or orphaned during the reading may be missing; none appears twice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tree {
    /// The processes by id, the root among them.
    processes: BTreeMap<i32, Process>,
}

/// A process of a [`Tree`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// When it started, in clock ticks since boot: tells two processes with one id apart.
    pub started_ticks: u64,
    /// The CPU time of the children it has waited for, in clock ticks.
    pub(super) waited_ticks: u64,
    /// The minor page faults of those children: above zero if there were any.
    pub(super) waited_faults: u64,
}

impl Tree {
    /// The tree that `root` is the root of; `None` if `root` is gone or processes cannot be listed
    /// on this platform.
    pub fn of(root: Pid) -> Option<Self> {
        Self::listed_by(root, children_listed)
    }

    /// The tree, with `children` to list the children of a process; `None` from it means that this
    /// kernel keeps no such list, and the parent of every process is looked at instead.
    fn listed_by(root: Pid, children: impl Fn(Pid) -> Option<Vec<Pid>>) -> Option<Self> {
        let root_stat = procfs::stat(root)?;
        let mut by_parent = None;
        let mut children_of = |pid: Pid| {
            children(pid).unwrap_or_else(|| {
                by_parent.get_or_insert_with(children_by_parent).remove(&pid).unwrap_or_default()
            })
        };
        let mut waiting = vec![root];
        if root_stat.group == root.as_raw_pid() && root != getpid() {
            let adopted = children_of(getpid()).into_iter().filter(|&child| {
                procfs::stat(child).is_some_and(|stat| stat.group == root_stat.group)
            });
            waiting.extend(adopted);
        }
        let mut tree = Self { processes: BTreeMap::new() };
        while let Some(pid) = waiting.pop() {
            // The children first: whoever is in the list stays in it if the parent vanishes now.
            let children = children_of(pid);
            if !tree.contains(pid)
                && let Some(stat) = procfs::stat(pid)
            {
                tree.insert(pid, stat);
                waiting.extend(children);
            }
        }
        tree.contains(root).then_some(tree)
    }

    /// Adds a process.
    fn insert(&mut self, pid: Pid, stat: Stat) {
        let Stat { started_ticks, waited_ticks, waited_faults, .. } = stat;
        let process = Process { pid, started_ticks, waited_ticks, waited_faults };
        self.processes.insert(pid.as_raw_pid(), process);
    }

    /// The processes, in the order of their ids.
    pub fn processes(&self) -> impl ExactSizeIterator<Item = &Process> {
        self.processes.values()
    }

    /// The number of processes, the root included; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a tree has a root: it is never empty")]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether `pid` belongs to the tree.
    pub fn contains(&self, pid: Pid) -> bool {
        self.processes.contains_key(&pid.as_raw_pid())
    }
}

/// The children of a process; empty if it has vanished or processes cannot be listed.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
    children_listed(pid).unwrap_or_else(|| children_by_parent().remove(&pid).unwrap_or_default())
}

/// The children of a process from the lists of its threads; empty if it has vanished, `None` if
/// this kernel keeps no such lists (`CONFIG_PROC_CHILDREN`).
fn children_listed(pid: Pid) -> Option<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in procfs::ids_in(format!("/proc/{pid}/task")) {
        match procfs::read(format!("/proc/{pid}/task/{thread}/children")) {
            Some(text) => children.extend(procfs::parse_pids(&text)),
            // A thread that is still there and has no list: there are no lists.
            None if procfs::read(format!("/proc/{pid}/task/{thread}/stat")).is_some() => {
                return None;
            }
            None => {}
        }
    }
    Some(children)
}

/// The children of every process, found by the parent that each process names.
fn children_by_parent() -> HashMap<Pid, Vec<Pid>> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for pid in procfs::ids_in("/proc") {
        if let Some(parent) = procfs::stat(pid).and_then(|stat| Pid::from_raw(stat.parent)) {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::measure::fixture::Script;

    /// A shell in the background of a shell, so that there are three generations.
    const THREE: &str = "sh -c 'sleep 1000 & echo $$; wait' & wait";

    #[test]
    fn all_generations_are_found_by_either_way() {
        let script = Script::start(THREE);
        let middle = Pid::from_raw(script.any_line().parse().unwrap()).unwrap();
        let listed = Tree::of(script.pid()).unwrap();
        let searched = Tree::listed_by(script.pid(), |_| None).unwrap();
        assert_eq!(listed.len(), 3, "{listed:?}");
        assert_eq!(listed, searched);
        assert!(listed.contains(script.pid()));
        assert!(!listed.contains(getpid()), "{listed:?}");
        let branch = Tree::of(middle).unwrap();
        assert_eq!(branch.len(), 2, "{branch:?}");
        assert_eq!(Tree::listed_by(middle, |_| None).unwrap(), branch);
    }

    #[test]
    fn a_zombie_still_belongs() {
        // The shell becomes a program that never waits for the child the shell has started.
        let mut script = Script::start("exec 3<&0; sh -c 'read go' <&3 & echo $!; exec sleep 1000");
        let zombie = Pid::from_raw(script.any_line().parse().unwrap()).unwrap();
        script.until("the shell has become another program", || {
            procfs::read(format!("/proc/{}/comm", script.pid())).as_deref() == Some("sleep\n")
        });
        script.go_on();
        script.until("the child is a zombie", || {
            procfs::stat(zombie).is_some_and(|stat| stat.state == 'Z')
        });
        assert!(Tree::of(script.pid()).unwrap().contains(zombie));
    }

    #[test]
    fn a_tree_without_a_root_is_none() {
        let script = Script::start("sleep 1000 & wait");
        let root = script.pid();
        drop(script);
        assert_eq!(Tree::of(root), None);
        assert_eq!(Tree::listed_by(root, |_| None), None);
    }

    #[test]
    fn processes_that_vanish_meanwhile_do_no_harm() {
        let script = Script::start("echo up; while :; do (:; :) & (true); wait; done");
        script.line("up");
        for _ in 0..300 {
            let tree = Tree::of(script.pid()).unwrap();
            assert!(tree.contains(script.pid()) && tree.len() < 20, "{tree:?}");
        }
    }

    #[test]
    fn this_process_finds_its_children() {
        let script = Script::start("exec sleep 1000");
        assert!(children(getpid()).contains(&script.pid()));
        assert!(Tree::of(getpid()).unwrap().contains(script.pid()));
    }
}
