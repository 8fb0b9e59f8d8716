//! What this process has, and who is there.

use std::fs;

/// How many descriptors this process has.
pub(super) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(usize::MAX, Iterator::count)
}

/// The children that this process has, with their states, zombies included.
pub(super) fn children() -> Vec<(u32, String)> {
    let me = std::process::id().to_string();
    let mine = pids().filter(|&pid| field_of(pid, 1).is_some_and(|parent| parent == me));
    mine.map(|pid| (pid, state_of(pid))).collect()
}

/// The letter for a process's state, see proc(5); empty when there is no such process.
pub(super) fn state_of(pid: u32) -> String {
    field_of(pid, 0).unwrap_or_default()
}

/// A field of a process's description: its state, its parent, and so on.
fn field_of(pid: u32, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(number).map(str::to_owned)
}

/// The processes in whose command line there is this text, without zombies: they have none.
pub(super) fn processes_called(text: &str) -> Vec<u32> {
    let has = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    pids().filter(|&pid| has(pid)).collect()
}

/// All processes.
fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
