//! The texts of `/proc` and `/sys`: read here, taken apart here, and nowhere else asked for a
//! platform. Formats: proc(5), `proc_pid_stat(5)`, `proc_pid_status(5)`, `proc_pid_smaps(5)`.

use std::{collections::BTreeSet, fs, io, path::Path, str::FromStr, time::Duration};

use rustix::{io::Errno, process::Pid};

/// The largest number of a list that is believed: more than any kernel has processors.
const MOST_LISTED: usize = 1 << 16;

/// The text of a file, or `None` if it cannot be read: it is not there (another platform, an older
/// kernel, a process that has vanished) or is not ours to read.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The number in a file that holds nothing else.
pub(super) fn read_number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    read(path)?.trim().parse().ok()
}

/// What `/proc/<pid>/stat` says about a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stat {
    /// Its state letter: `R`, `S`, ..., `Z` for a zombie.
    pub(super) state: char,
    /// The process that started or adopted it; 0 for those the kernel started.
    pub(super) parent: i32,
    /// Its process group.
    pub(super) group: i32,
    /// The CPU time of the children it has waited for, and of theirs, in clock ticks.
    pub(super) waited_ticks: u64,
    /// The minor page faults of the children it has waited for: above zero if there were any, since
    /// nothing runs without one, while ticks are rounded down to zero.
    pub(super) waited_faults: u64,
    /// When it started, in clock ticks since boot: tells two processes with one id apart.
    pub(super) started_ticks: u64,
}

/// The `stat` of a process; `None` if it is gone.
pub(super) fn stat(pid: Pid) -> Option<Stat> {
    parse_stat(&read(format!("/proc/{pid}/stat"))?)
}

/// Takes `/proc/<pid>/stat` apart. The name of the program stands in parentheses and may itself
/// hold blanks and parentheses, so the fields are counted from the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    // The manual counts from 1, and the first field behind the name is number 3.
    let field = |number: usize| fields.get(number - 3).copied();
    let count = |number| field(number)?.parse::<u64>().ok();
    Some(Stat {
        state: field(3)?.chars().next()?,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        waited_ticks: count(16)? + count(17)?,
        waited_faults: count(11)?,
        started_ticks: count(22)?,
    })
}

/// The ids in a blank-separated list, as in `/proc/<pid>/task/<tid>/children`.
pub(super) fn parse_pids(text: &str) -> impl Iterator<Item = Pid> + '_ {
    text.split_ascii_whitespace().filter_map(parse_pid)
}

/// A process id, as a directory of `/proc` is named.
fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|&id: &i32| id > 0).and_then(Pid::from_raw)
}

/// The ids that the directory `path` has entries for: processes in `/proc`, threads in
/// `/proc/<pid>/task`. Empty if it is gone.
pub(super) fn ids_in(path: impl AsRef<Path>) -> Vec<Pid> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| parse_pid(entry.file_name().to_str()?)).collect()
}

/// The number behind `key` and a colon at the start of a line: bytes in `kB` lines of
/// `/proc/<pid>/status` and `smaps_rollup`, a bare number elsewhere.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let mut words = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?
        .split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        None => Some(number),
        Some("kB") => number.checked_mul(1024),
        Some(_) => None,
    }
}

/// The number behind `key` and a blank at the start of a line, as in the flat files of cgroups.
pub(super) fn flat_keyed(text: &str, key: &str) -> Option<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    number.trim().parse().ok()
}

/// The numbers that a list such as `0-3,8` names; `None` if it is none.
pub(super) fn parse_list(text: &str) -> Option<BTreeSet<usize>> {
    let mut numbers = BTreeSet::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > MOST_LISTED {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// How a file about a process answered.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// With this text.
    Text(String),
    /// Not at all: the process is gone, or is a zombie that owns nothing any more.
    Gone,
    /// Not to us, or not on this kernel: nothing is known about a process that is there.
    Refused,
}

/// Reads `/proc/<pid>/<file>`, telling a vanished process from a refusal.
pub(super) fn ask(pid: Pid, file: &str) -> Answer {
    match fs::read_to_string(format!("/proc/{pid}/{file}")) {
        Ok(text) if !text.is_empty() => Answer::Text(text),
        // A process that is just ending has given its memory back already.
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Answer::Gone,
        // A zombie answers some files with nothing, and a file may be missing because the whole
        // process is: look at the process itself.
        Ok(_) | Err(_) if stat(pid).is_none_or(|stat| matches!(stat.state, 'Z' | 'X')) => {
            Answer::Gone
        }
        Ok(_) | Err(_) => Answer::Refused,
    }
}

/// Writes `text` to `/proc/<pid>/<file>`.
///
/// # Errors
///
/// The process is gone, is not ours, or the file does not exist on this platform.
pub(super) fn tell(pid: Pid, file: &str, text: &str) -> io::Result<()> {
    let path = format!("/proc/{pid}/{file}");
    // Never creates the file: on a platform without `/proc` there must be an error, not a file.
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("write {path}: {error}")))
}

/// How long one clock tick (`USER_HZ`) takes: 10 ms nearly everywhere.
pub(super) fn tick() -> Duration {
    Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

/// The time that `ticks` clock ticks take.
pub(super) fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_nanos(
        ticks.saturating_mul(u64::try_from(tick().as_nanos()).expect("a tick is below a second")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of `/proc/<pid>/stat` for a program of this name.
    fn line(name: &str) -> String {
        format!(
            "4711 ({name}) S 42 4700 4700 0 -1 4194304 1 2 3 4 50 60 7 8 20 0 3 0 987654 1000 200 \
             18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
        )
    }

    #[test]
    fn the_name_of_a_program_hides_nothing() {
        for name in ["sh", "a b", "x) R 1 (y", "", ")"] {
            let expected = Stat {
                state: 'S',
                parent: 42,
                group: 4700,
                waited_ticks: 15,
                waited_faults: 2,
                started_ticks: 987_654,
            };
            assert_eq!(parse_stat(&line(name)), Some(expected), "{name:?}");
        }
        assert_eq!(parse_stat("4711 (sh) S 42"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn kilobytes_become_bytes_and_counts_stay() {
        let status = "Name:\tsh\nVmHWM:\t    2048 kB\nVmHWMx:\t1 kB\nvoluntary_ctxt_switches:\t17\n\
                      nonvoluntary_ctxt_switches:\t4\nOdd:\t1 MB\n";
        assert_eq!(keyed(status, "VmHWM"), Some(2048 * 1024));
        assert_eq!(keyed(status, "voluntary_ctxt_switches"), Some(17));
        assert_eq!(keyed(status, "nonvoluntary_ctxt_switches"), Some(4));
        assert_eq!(keyed(status, "Odd"), None);
        assert_eq!(keyed(status, "VmPeak"), None);
    }

    #[test]
    fn flat_keys_are_whole_words() {
        let text = "usage_usec 12\nuser_usec 7\nnr_throttled 3\nthrottled_usec 99\n";
        assert_eq!(flat_keyed(text, "throttled_usec"), Some(99));
        assert_eq!(flat_keyed(text, "usage"), None);
    }

    #[test]
    fn lists_of_ids_skip_what_is_none() {
        let ids: Vec<i32> = parse_pids("12 34 \n0 -5 x 56").map(Pid::as_raw_pid).collect();
        assert_eq!(ids, [12, 34, 56]);
        assert_eq!(ids_in("/no/such/directory"), []);
    }

    #[test]
    fn lists_of_numbers_are_taken_apart() {
        let list = |text| parse_list(text).map(Vec::from_iter);
        assert_eq!(list("0\n"), Some(vec![0]));
        assert_eq!(list("0-2,8,10-11\n"), Some(vec![0, 1, 2, 8, 10, 11]));
        for wrong in ["3-1", "", "0-x", "0-18446744073709551615"] {
            assert_eq!(list(wrong), None, "{wrong:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_there() {
        let own = rustix::process::getpid();
        let stat = stat(own).unwrap();
        let parent = rustix::process::getppid().unwrap();
        assert_eq!(stat.parent, parent.as_raw_pid());
        assert_eq!(stat.group, rustix::process::getpgrp().as_raw_pid());
        assert!(ids_in("/proc").contains(&own));
        assert!(matches!(ask(own, "smaps_rollup"), Answer::Text(_)));
        assert_eq!(ask(own, "no_such_file"), Answer::Refused);
        let error = tell(own, "no_such_file", "1").unwrap_err();
        assert!(error.to_string().contains("no_such_file"), "{error}");
    }
}
