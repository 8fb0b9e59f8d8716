//! The memory of a process tree.

use std::io;

use rustix::process::Pid;

use super::{
    Tree,
    procfs::{self, Answer},
};

/// The memory of a [`Tree`] at one moment.
///
/// `ru_maxrss` is not among the figures: a child inherits it from whoever started it, so that a
/// small child of a large parent reports the parent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Memory {
    /// The proportional set size in bytes, summed over the tree: a page that n processes share
    /// counts 1/n in each, so the sum is what the tree really holds.
    pub pss: Option<u64>,
    /// The high-water marks of the resident sets (`VmHWM`) in bytes, summed over the live
    /// processes: an upper bound, because shared pages count in each process and the processes need
    /// not have peaked together.
    pub high_water: Option<u64>,
}

impl Memory {
    /// Reads the memory of `tree`. A figure is `None` if it could not be read of a process that is
    /// there; processes that have ended meanwhile hold none.
    ///
    /// The kernel walks all page tables for the proportional set size, which takes in the order of
    /// a millisecond per 100 MiB and holds up changes to the memory map of the process.
    pub fn of(tree: &Tree) -> Self {
        Self { pss: pss(tree), high_water: high_water(tree) }
    }
}

/// The summed proportional set size of `tree`.
pub(super) fn pss(tree: &Tree) -> Option<u64> {
    sum(tree, |pid| Held::pss(&procfs::ask(pid, "smaps_rollup")))
}

/// The summed high-water marks of `tree`.
fn high_water(tree: &Tree) -> Option<u64> {
    sum(tree, |pid| Held::high_water(&procfs::ask(pid, "status")))
}

/// What a process that could be asked holds.
#[derive(Debug, Eq, PartialEq)]
enum Held {
    /// This many bytes.
    Bytes(u64),
    /// Nothing any more: it has ended.
    Nothing,
}

impl Held {
    /// What `smaps_rollup` says; `None` if it says nothing about a process that is there.
    fn pss(answer: &Answer) -> Option<Self> {
        match answer {
            Answer::Text(text) => procfs::keyed(text, "Pss").map(Self::Bytes),
            Answer::Gone => Some(Self::Nothing),
            Answer::Refused => None,
        }
    }

    /// What `status` says; `None` if it says nothing about a process that is there.
    fn high_water(answer: &Answer) -> Option<Self> {
        match answer {
            // A process without the line has no memory any more.
            Answer::Text(text) => {
                Some(procfs::keyed(text, "VmHWM").map_or(Self::Nothing, Self::Bytes))
            }
            Answer::Gone => Some(Self::Nothing),
            Answer::Refused => None,
        }
    }
}

/// The sum of what each process holds; `None` if one could not be asked, or if all have ended.
fn sum(tree: &Tree, held: impl Fn(Pid) -> Option<Held>) -> Option<u64> {
    let mut sum = None;
    for process in tree.processes() {
        if let Held::Bytes(bytes) = held(process.pid)? {
            sum = Some(sum.unwrap_or(0) + bytes);
        }
    }
    sum
}

/// Sets the high-water mark of a process back to what it holds now, so that the next reading is of
/// the run and not of its preparation (`/proc/<pid>/clear_refs`, `proc_pid_clear_refs(5)`).
///
/// # Errors
///
/// The process is gone or belongs to somebody else, or this platform has no such file.
pub fn reset_high_water(pid: Pid) -> io::Result<()> {
    procfs::tell(pid, "clear_refs", "5")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::measure::fixture::Script;

    /// A mebibyte.
    const MIB: u64 = 1 << 20;

    /// A shell that reads `mib` MiB into a variable, says so, and drops them when told to.
    fn hoarder(mib: u64) -> Script {
        let script = Script::start(&format!(
            "hoard=$(head -c {} /dev/zero | tr '\\0' x); echo full; read go; hoard=; echo empty; \
             read go",
            mib * MIB
        ));
        script.line("full");
        script
    }

    #[test]
    fn the_tree_holds_what_its_processes_hold() {
        let script = hoarder(8);
        let memory = Memory::of(&Tree::of(script.pid()).unwrap());
        assert!(memory.pss.unwrap() > 8 * MIB, "{memory:?}");
        assert!(memory.high_water.unwrap() >= memory.pss.unwrap(), "{memory:?}");
        let small = Script::start("echo up; read go");
        small.line("up");
        let small = Memory::of(&Tree::of(small.pid()).unwrap());
        assert!(small.pss.unwrap() < 8 * MIB, "{small:?}");
    }

    #[test]
    fn the_high_water_mark_can_be_set_back() {
        let mut script = hoarder(32);
        script.go_on();
        script.line("empty");
        let read = || Memory::of(&Tree::of(script.pid()).unwrap());
        let before = read();
        assert!(before.high_water.unwrap() > 32 * MIB, "{before:?}");
        assert!(before.pss.unwrap() < 32 * MIB, "the shell gives the memory back: {before:?}");
        reset_high_water(script.pid()).unwrap();
        let after = read();
        assert!(after.high_water.unwrap() < 32 * MIB, "{after:?}");
    }

    #[test]
    fn a_process_that_is_gone_has_no_memory_and_no_mark() {
        let script = Script::start("echo up; read go");
        script.line("up");
        let tree = Tree::of(script.pid()).unwrap();
        let pid = script.pid();
        drop(script);
        assert_eq!(Memory::of(&tree), Memory { pss: None, high_water: None });
        let error = reset_high_water(pid).unwrap_err();
        assert!(error.to_string().contains("clear_refs"), "{error}");
    }

    #[test]
    fn a_refusal_is_not_zero() {
        let text = |text: &str| Answer::Text(text.to_owned());
        assert_eq!(Held::pss(&Answer::Refused), None);
        assert_eq!(Held::pss(&text("Rss:  5 kB\n")), None);
        assert_eq!(Held::pss(&Answer::Gone), Some(Held::Nothing));
        assert_eq!(Held::pss(&text("Rss: 5 kB\nPss: 3 kB\n")), Some(Held::Bytes(3072)));
        assert_eq!(Held::high_water(&Answer::Refused), None);
        assert_eq!(Held::high_water(&Answer::Gone), Some(Held::Nothing));
        assert_eq!(Held::high_water(&text("State:\tZ\n")), Some(Held::Nothing));
        assert_eq!(Held::high_water(&text("VmHWM:\t 2 kB\n")), Some(Held::Bytes(2048)));
    }

    #[test]
    fn one_process_that_will_not_say_spoils_the_sum() {
        let script = Script::start("sleep 1000 & echo up; wait");
        script.line("up");
        let tree = Tree::of(script.pid()).unwrap();
        assert_eq!(tree.len(), 2);
        let root = script.pid();
        let known = |pid| (pid == root).then_some(Held::Bytes(1));
        assert_eq!(sum(&tree, known), None);
        let ended = |pid| Some(if pid == root { Held::Bytes(1) } else { Held::Nothing });
        assert_eq!(sum(&tree, ended), Some(1));
    }
}
