//! The parent is killed: whatever its workers do at that moment, they go, and their children too.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::act::work;
use super::count::state_of;
use super::random::Random;
use super::{BOUND, wait_until};
use crate::{Pool, Queue};

/// What a worker does when its parent is killed.
fn engage((act, name, begun): (u8, String, Queue<u8>)) {
    let say = || begun.put(act).expect("the queue is open");
    match act {
        // It has a child, which sleeps in its group.
        0 => {
            let mut child = Command::new("sleep");
            child.arg0(&name).arg("1000").stdin(Stdio::null()).stdout(Stdio::null());
            let mut child = child.spawn().expect("there is a program `sleep`");
            say();
            child.wait().expect("it is our child");
        }
        // It sleeps.
        1 | 2 => {
            say();
            loop {
                std::thread::park();
            }
        }
        // It computes, and says so again and again.
        _ => {
            while begun.put_timeout(act, Duration::from_secs(1)).is_ok() {
                work(10_000);
            }
        }
    }
}

/// A program with a pool that is killed at some time: also while its workers start, or when one of
/// them is stopped.
pub(super) fn doomed((seed, name): (u64, String)) {
    let mut random = Random::new(seed);
    let pool = Pool::builder().workers(4).name(name.clone()).build().expect("a pool");
    let begun = Queue::bounded(8).expect("a queue");
    let calls: Vec<_> = (0..8_u8)
        .map(|act| pool.submit(engage, (act.min(3), name.clone(), begun.clone())))
        .collect();
    for _ in 0..random.below(12) {
        drop(begun.get_timeout(BOUND));
    }
    if random.percent(50) {
        let pids = pool.pids();
        stop(pids[random.index(pids.len())]);
    }
    // Sooner or later, when the calls are not all begun, or while there is much to do.
    for _ in 0..random.below(2_000) {
        work(100);
    }
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    drop(calls);
}

/// Stops a worker, and waits until it is.
fn stop(pid: u32) {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    let (Ok(()) | Err(_)) = kill_process(raw, Signal::STOP);
    let stopped = wait_until("it is stopped", || matches!(state_of(pid).as_str(), "T" | "Z" | ""));
    stopped.expect("a signal arrives");
}
