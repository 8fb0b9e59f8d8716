//! What a subreaper sees of the processes that its children leave behind.
//!
//! A test binary of its own with one test: being a subreaper concerns the whole process, and only a
//! process that knows all its children can tell the adopted ones.

#![cfg(target_os = "linux")]

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process, kill_process_group};
use xtask::measure::{CpuSnapshot, Pid, Tree, become_subreaper, orphans, reap_orphans};

/// A shell whose child starts a busy grandchild, prints its id and ends. The shell then waits for a
/// line and ends too.
const SCRIPT: &str = "sh -c 'while :; do :; done & echo $!'; read go; exit 7";

/// A child process that is killed with its group if the test fails.
struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill_process_group(Pid::from_child(&self.0), Signal::KILL).expect("the host is there");
            self.0.wait().expect("the host has not been waited for");
        }
    }
}

/// Waits until `condition` gives something.
fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "waited too long until {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn orphans_are_adopted_measured_and_waited_for() {
    become_subreaper().unwrap();
    let mut host = Host(
        Command::new("sh")
            .args(["-c", SCRIPT])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let started = [Pid::from_child(&host.0)];
    let mut line = String::new();
    BufReader::new(host.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let orphan = Pid::from_raw(line.trim().parse().unwrap()).unwrap();

    until("the grandchild is adopted", || orphans(&started).contains(&orphan).then_some(()));
    assert_eq!(orphans(&started), [orphan]);
    assert!(orphans(&[started[0], orphan]).is_empty());
    assert_eq!(reap_orphans(&started), [], "a live orphan was waited for");

    // Adopted or not, it belongs to the tree of the host whose process group it is in.
    assert!(Tree::of(started[0]).unwrap().contains(orphan));
    let before = CpuSnapshot::of(started[0]).unwrap();
    until("the orphan has used 20 ms", || {
        let usage = CpuSnapshot::of(started[0]).unwrap().since(&before).unwrap();
        (usage.cpu >= Duration::from_millis(20)).then_some(())
    });

    kill_process(orphan, Signal::KILL).unwrap();
    let reaped = until("the orphan has ended", || reap_orphans(&started).pop());
    assert_eq!((reaped.pid, reaped.status.signal()), (orphan, Some(9)));
    assert!(orphans(&started).is_empty());

    // The host is the business of whoever started it, even when it has ended.
    host.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let stat = format!("/proc/{}/stat", started[0]);
    until("the host is a zombie", || {
        std::fs::read_to_string(&stat).unwrap().contains(") Z ").then_some(())
    });
    assert_eq!(reap_orphans(&started), []);
    assert_eq!(host.0.wait().unwrap().code(), Some(7));
}
