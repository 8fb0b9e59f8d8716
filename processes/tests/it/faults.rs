//! What the crate exists for: a call that takes its process down fails alone.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use processes::{JoinError, Pool, Side};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{BOUND, gated, gates, is_alive, kill, soon, wait_until};

/// Runs `f`, which must lose its worker, and checks that the pool lives on.
#[track_caller]
fn lost(f: fn(()) -> u32) -> (Option<i32>, Option<i32>) {
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(f, ());
    let behind = pool.submit(|x: u64| x + 1, 1);
    let error = call.join().unwrap_err();
    assert_eq!(behind.join().unwrap(), 2, "the call behind it was queued and must run");
    match error {
        JoinError::WorkerLost { signal, exit_code, .. } => (signal, exit_code),
        other => panic!("{other}"),
    }
}

#[test]
fn exit() {
    assert_eq!(lost(|()| std::process::exit(3)), (None, Some(3)));
}

#[test]
fn abort() {
    assert_eq!(lost(|()| std::process::abort()).0, Some(6));
}

#[test]
fn segfault() {
    fn crash((): ()) -> u32 {
        let nowhere = std::ptr::without_provenance::<u32>(8);
        // SAFETY: none; the crash is the work under test.
        unsafe { nowhere.read_volatile() }
    }
    assert_eq!(lost(crash).0, Some(11));
}

#[test]
fn stack_overflow() {
    fn deeper(depth: u64) -> u64 {
        let page = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { deeper(depth + 1) + page[7] }
    }
    let (signal, _code) = lost(|()| u32::try_from(deeper(0) % 2).unwrap());
    assert!(matches!(signal, Some(6 | 11)), "{signal:?}");
}

#[test]
fn a_kill_from_outside_fails_only_the_running_call() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate));
    let behind: Vec<_> = (0..200_u64).map(|x| pool.submit(|x| x, x)).collect();
    kill(soon(&entered));
    assert!(matches!(running.join(), Err(JoinError::WorkerLost { signal: Some(9), .. })));
    for (x, call) in (0..).zip(behind) {
        assert_eq!(call.join().unwrap(), x);
    }
}

#[test]
fn an_idle_worker_that_dies_is_replaced() {
    let pool = Pool::new(2).unwrap();
    wait_until("both workers are ready", || pool.stats().ready == 2);
    let before = pool.pids();
    before.iter().copied().for_each(kill);
    wait_until("both are replaced", || {
        pool.stats().ready == 2 && pool.pids().iter().all(|pid| !before.contains(pid))
    });
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

/// Fails to encode, to decode, or neither.
#[derive(Debug, PartialEq)]
enum Odd {
    Fine,
    NoEncode,
    NoDecode,
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => serializer.serialize_u8(0),
            Self::NoEncode => Err(serde::ser::Error::custom("it does not want to go")),
            Self::NoDecode => serializer.serialize_u8(1),
        }
    }
}

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Fine),
            _ => Err(serde::de::Error::custom("it does not want to come")),
        }
    }
}

#[test]
fn the_codec_fails_one_call_and_says_where() {
    let pool = Pool::new(1).unwrap();
    let pid = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let take: fn(Odd) = |_odd| ();
    let give: fn(u8) -> Odd = |which| if which == 0 { Odd::NoEncode } else { Odd::NoDecode };
    let error = pool.submit(take, Odd::NoEncode).join().unwrap_err();
    assert!(
        matches!(&error, JoinError::Encode { side: Side::Parent, message, .. }
            if message == "it does not want to go"),
        "{error}"
    );
    let error = pool.submit(take, Odd::NoDecode).join().unwrap_err();
    assert!(
        matches!(&error, JoinError::Decode { side: Side::Worker, message, .. }
            if message == "it does not want to come"),
        "{error}"
    );
    let error = pool.submit(give, 0).join().unwrap_err();
    assert!(matches!(&error, JoinError::Encode { side: Side::Worker, .. }), "{error}");
    let error = pool.submit(give, 1).join().unwrap_err();
    assert!(matches!(&error, JoinError::Decode { side: Side::Parent, .. }), "{error}");
    pool.submit(take, Odd::Fine).join().unwrap();
    assert_eq!(pool.submit(|()| std::process::id(), ()).join().unwrap(), pid, "it survived");
}

#[test]
fn workers_die_with_the_parent_in_the_middle_of_a_call() {
    let example = crate::examples::path("processes_orphan");
    let mut parent = Command::new(example).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pids: Vec<u32> = lines.take(8).map(|line| line.unwrap().parse().unwrap()).collect();
    assert_eq!(pids.len(), 8);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("all workers are gone", || !pids.iter().any(|&pid| is_alive(pid)));
}

#[test]
fn stdin_of_a_worker_is_empty() {
    let pool = Pool::new(1).unwrap();
    let read = pool.submit(|()| std::io::read_to_string(std::io::stdin()).unwrap().len(), ());
    assert_eq!(read.join().unwrap(), 0);
}

#[test]
fn user_code_does_not_see_the_marker_and_has_its_own_group() {
    let pool = Pool::new(1).unwrap();
    let names: fn(()) -> Vec<String> = |()| std::env::vars().map(|(name, _)| name).collect();
    let mine = names(());
    let more = pool.submit(names, ()).join().unwrap();
    let more: Vec<_> = more.into_iter().filter(|name| !mine.contains(name)).collect();
    assert_eq!(more, [""; 0], "a worker's environment is its parent's");
    let group: fn(()) -> u32 = |()| {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    let worker = pool.submit(|()| std::process::id(), ()).join().unwrap();
    assert_eq!(pool.submit(group, ()).join().unwrap(), worker);
}

#[test]
fn a_child_that_somebody_else_reaps_is_lost_without_a_status() {
    let ignoring: fn(()) -> bool = |()| {
        unsafe extern "C" {
            fn signal(number: i32, handler: usize) -> usize;
        }
        // SAFETY: 17 is SIGCHLD and 1 is SIG_IGN; no handler is installed.
        assert_ne!(unsafe { signal(17, 1) }, usize::MAX);
        let pool = Pool::new(1).unwrap();
        let lost = pool.submit(|()| std::process::abort(), ()).join();
        assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
        matches!(lost, Err::<(), _>(JoinError::WorkerLost { signal: None, exit_code: None, .. }))
    };
    assert!(processes::spawn(ignoring, ()).unwrap().join().unwrap());
}

/// Opens files until none can be opened, then closes `spare` of them.
fn hoard(spare: usize) -> Vec<std::fs::File> {
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    files.truncate(files.len().saturating_sub(spare));
    files
}

/// Lowers the limit of descriptors to `limit`.
fn limit_descriptors(limit: u64) {
    unsafe extern "C" {
        fn setrlimit(resource: i32, limit: *const [u64; 2]) -> i32;
    }
    let limits = [limit, limit];
    // SAFETY: 7 is RLIMIT_NOFILE, and two 64-bit numbers are a `struct rlimit`.
    assert_eq!(unsafe { setrlimit(7, &raw const limits) }, 0);
}

#[test]
fn a_shortage_of_descriptors_at_any_step_of_a_start() {
    let sweep: fn(()) -> (u32, u32, u32) = |()| {
        limit_descriptors(128);
        let (mut built, mut served, mut refused) = (0, 0, 0);
        for spare in 0..24 {
            let hoarded = hoard(spare);
            let pool = match Pool::new(1) {
                Ok(pool) => pool,
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.starts_with("too many open files: "), "{spare} spare: {error}");
                    assert!(
                        error.contains("may have 128") && error.contains("ulimit -n"),
                        "{error}"
                    );
                    refused += 1;
                    continue;
                }
            };
            built += 1;
            let call = pool.submit(|x: u8| x, 5).join_timeout(BOUND).expect("it resolves");
            match call {
                Ok(value) => served += u32::from(value == 5),
                Err(JoinError::Broken { .. }) => {}
                Err(other) => panic!("{other}"),
            }
            drop(pool);
            drop(hoarded);
        }
        (built, served, refused)
    };
    let swept = processes::spawn(sweep, ()).unwrap().join_timeout(4 * BOUND);
    let (built, served, refused) = swept.expect("no pool hangs").unwrap();
    assert!(served > 0 && built > served, "{built} pools were built, {served} of them worked");
    assert!(refused > 5, "{refused} pools were refused");
}

#[test]
fn a_shortage_of_descriptors_leaves_the_other_workers_alone() {
    unsafe extern "C" {
        fn kill(pid: i32, signal: i32) -> i32;
    }
    let shortage: fn(()) -> bool = |()| {
        limit_descriptors(128);
        let pool = Pool::new(2).unwrap();
        wait_until("both workers are ready", || pool.stats().ready == 2);
        let (entered, gate) = gates();
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        let (worker, pids) = (soon(&entered), pool.pids());
        let hoarded = hoard(0);
        let idle = pids.into_iter().find(|&pid| pid != worker).unwrap();
        // The tool `kill` needs descriptors.
        // SAFETY: any numbers are allowed; 9 is SIGKILL.
        assert_eq!(unsafe { kill(i32::try_from(idle).unwrap(), 9) }, 0);
        wait_until("its death is noticed", || pool.stats().ready == 1);
        // Calls and their results need no descriptors.
        let behind = pool.submit(|x: u8| x, 5);
        gate.put(6).unwrap();
        assert_eq!(running.join_timeout(BOUND).unwrap().unwrap(), 6);
        assert_eq!(behind.join_timeout(BOUND).unwrap().unwrap(), 5);
        drop(hoarded);
        wait_until("it is replaced", || pool.stats().ready == 2);
        true
    };
    assert!(processes::spawn(shortage, ()).unwrap().join().unwrap());
}
