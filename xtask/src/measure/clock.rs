//! The CPU clock of another process, with the resolution of the scheduler.

use std::time::Duration;

use rustix::process::Pid;

/// How fine the clock is.
pub(super) const RESOLUTION: Duration = Duration::from_nanos(1);

/// The CPU time that all threads of `pid`, ended ones included, have used so far. A zombie still
/// has it. `None` if the process is gone or this platform has no such clock.
///
/// It is what `/proc/<pid>/stat` rounds down to clock ticks (`clock_getcpuclockid(3)`).
#[cfg(target_os = "linux")]
pub(super) fn process_cpu(pid: Pid) -> Option<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is a live, writable `clockid_t` for the whole call, which is all the function
    // asks for; any process id is allowed, and one that does not exist is reported by the result.
    let found = unsafe { libc::clock_getcpuclockid(pid.as_raw_nonzero().get(), &raw mut clock) };
    if found != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live, writable `timespec` for the whole call, which is all the function
    // asks for; a clock whose process has vanished meanwhile is reported by the result.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if read != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// The CPU clock of another process: not supported on this platform.
#[cfg(not(target_os = "linux"))]
pub(super) fn process_cpu(_pid: Pid) -> Option<Duration> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_vanished_process_has_no_clock() {
        let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        child.wait().unwrap();
        assert_eq!(process_cpu(pid), None);
    }

    #[test]
    fn the_clock_is_that_of_the_process_and_finer_than_a_tick() {
        let own = rustix::process::getpid();
        let mut fractions = std::collections::HashSet::new();
        for _ in 0..1_000 {
            fractions.insert(process_cpu(own).unwrap().subsec_nanos() % 1_000_000);
        }
        assert!(fractions.len() > 10, "only {} different readings", fractions.len());
    }
}
