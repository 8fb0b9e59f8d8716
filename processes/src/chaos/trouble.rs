//! What comes over a pool from outside: workers are killed and stopped, descriptors and memory run
//! out, the number of workers changes.
//!
//! This is one of the few files with unsafe code: it has a signal ignored that would end the
//! process when it is short of memory.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::Pool;

/// So many troubles in a row leave a pool standing: after five failed starts in a row it gives up,
/// as it should when its workers cannot live.
const BURST: u64 = 4;

/// What came over a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Troubles {
    /// Workers that were killed.
    pub(super) kills: u64,
    /// Workers that were stopped for a while.
    pub(super) stops: u64,
    /// Times without descriptors.
    pub(super) hoards: u64,
    /// Times without shared memory.
    pub(super) famines: u64,
    /// Changes of the number of workers.
    pub(super) resizes: u64,
}

/// Prepares this process and those that it starts: few descriptors, and a lack of shared memory is
/// an error and not the end.
pub(super) fn prepare() {
    let old = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(256), maximum: old.maximum };
    setrlimit(Resource::Nofile, few).expect("a process may lower its limit");
    // SAFETY: ignoring a signal installs no handler, and nobody else here has one for it.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Makes trouble until it is over.
pub(super) fn make(pool: &Pool, seed: u64, starve: bool, over: &AtomicBool) -> Troubles {
    let mut random = Random::new(seed);
    let mut troubles = Troubles::default();
    let mut in_a_row = 0;
    while !over.load(Ordering::Relaxed) {
        wait_us(500 + random.below(5_000));
        if in_a_row >= BURST {
            if pool.stats().ready < pool.workers() {
                continue;
            }
            in_a_row = 0;
        }
        match random.below(100) {
            0..50 => {
                signal_one(pool, &mut random, Signal::KILL);
                (troubles.kills, in_a_row) = (troubles.kills + 1, in_a_row + 1);
            }
            50..70 => {
                let stopped = signal_one(pool, &mut random, Signal::STOP);
                wait_us(random.below(20_000));
                if let Some(pid) = stopped {
                    signal(pid, Signal::CONT);
                }
                troubles.stops += 1;
            }
            70..80 if starve => {
                let hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
                wait_us(random.below(4_000));
                drop(hoard);
                (troubles.hoards, in_a_row) = (troubles.hoards + 1, BURST);
            }
            80..90 if starve => {
                // Files, and so those in memory, may not grow.
                let usual = getrlimit(Resource::Fsize);
                let none = Rlimit { current: Some(0), maximum: usual.maximum };
                setrlimit(Resource::Fsize, none).expect("a process may lower its limit");
                wait_us(random.below(4_000));
                setrlimit(Resource::Fsize, usual).expect("and raise it again");
                (troubles.famines, in_a_row) = (troubles.famines + 1, BURST);
            }
            90..95 => {
                // Short of descriptors it has fewer until the next time.
                let workers = 2 + random.index(3);
                troubles.resizes += u64::from(pool.resize(workers).is_ok());
            }
            _ => {}
        }
    }
    troubles
}

/// Lets a moment go by.
#[expect(clippy::disallowed_methods, reason = "troubles are spread over time")]
fn wait_us(us: u64) {
    thread::sleep(Duration::from_micros(us));
}

/// Sends a signal to one of the workers.
fn signal_one(pool: &Pool, random: &mut Random, which: Signal) -> Option<u32> {
    let pids = pool.pids();
    let pid = *pids.get(random.index(pids.len().max(1)))?;
    signal(pid, which);
    Some(pid)
}

/// Sends a signal to a process that may be gone.
fn signal(pid: u32, which: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    let (Ok(()) | Err(_)) = kill_process(pid, which);
}
