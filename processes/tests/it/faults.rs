//! What the crate exists for: a call that takes its process down fails alone.
//!
//! What is promised for each fault, and where that is tested; every wait is bounded:
//!
//! | fault | tests |
//! |---|---|
//! | worker killed in a call | [`a_kill_from_outside_fails_only_the_running_call`], `retry`, `stress`, and in the crate `chaos`, `fault` |
//! | idle worker killed | [`an_idle_worker_that_dies_is_replaced`] |
//! | hang | [`a_call_that_hangs_is_ended_by_its_limit`], `handle` |
//! | worker stopped | [`a_worker_that_is_stopped_in_a_call_runs_out_of_time`], before the call: `handle`; without a limit: [`a_call_without_a_limit_is_freed_from_a_stopped_worker`] |
//! | panic | `panic`, `executor` |
//! | panic with `panic = "abort"`, abort, segfault, stack overflow, exit | [`panic_as_abort`], [`abort`], [`segfault`], [`stack_overflow`], [`exit`] |
//! | argument or result cannot be encoded or decoded | [`the_codec_fails_one_call_and_says_where`] |
//! | huge payload | `payload` |
//! | initializer fails, panics, ends the process, hangs | `broken` |
//! | poison call, crash loop | `retry`, `broken` |
//! | parent killed | [`workers_die_with_the_parent_in_the_middle_of_a_call`]; with their children, and at any time: `chaos` |
//! | Ctrl-C | `interrupt` |
//! | descriptors exhausted | [`a_shortage_of_descriptors_at_any_step_of_a_start`], [`a_shortage_of_descriptors_leaves_the_other_workers_alone`] |
//! | memory exhausted | [`memory`] |
//! | descriptors exhausted in a worker | [`a_worker_without_descriptors_says_so_at_once`] |
//! | shutdown | [`shutdown_is_bounded_by_the_grace_period`], `shutdown`, `leaks` |

mod memory;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use processes::{JoinError, JoinHandle, Pool, Queue, Side};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{
    BOUND, Stopped, children, descriptors, gated, gates, is_alive, kill, soon, wait_until,
};

/// The outcome, which must come.
#[track_caller]
pub(crate) fn ended<R: DeserializeOwned>(call: JoinHandle<R>) -> Result<R, JoinError> {
    call.join_timeout(BOUND).expect("each call resolves")
}

/// Runs `f`, which must lose its worker, and checks that the pool lives on.
#[track_caller]
fn lost(f: fn(()) -> u32) -> (Option<i32>, Option<i32>) {
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(f, ());
    let behind = pool.submit(|x: u64| x + 1, 1);
    let error = ended(call).unwrap_err();
    assert_eq!(ended(behind).unwrap(), 2, "the call behind it was queued and must run");
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

/// What the profile setting `panic = "abort"` makes of a panic: the hook runs, then the process ends.
#[test]
fn panic_as_abort() {
    let panics: fn(()) -> u32 = |()| {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        panic!("on purpose")
    };
    assert_eq!(lost(panics).0, Some(6));
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
    assert!(matches!(ended(running), Err(JoinError::WorkerLost { signal: Some(9), .. })));
    for (x, call) in (0..).zip(behind) {
        assert_eq!(ended(call).unwrap(), x);
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
    assert_eq!(ended(pool.submit(|x: u8| x, 1)).unwrap(), 1);
}

/// Never returns.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn hang(entered: Queue<u32>) -> u32 {
    entered.put(std::process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_call_that_hangs_is_ended_by_its_limit() {
    let pool = Pool::new(1).unwrap();
    let (entered, _gate) = gates();
    let limit = Duration::from_millis(50);
    let hangs = pool.submit_timeout(hang, entered.clone(), limit);
    let behind = pool.submit(|()| std::process::id(), ());
    let error = ended(hangs).unwrap_err();
    assert!(matches!(error, JoinError::TimedOut { limit: given, .. } if given == limit), "{error}");
    assert_ne!(ended(behind).unwrap(), soon(&entered), "its worker is replaced");
}

#[test]
fn a_call_without_a_limit_is_freed_from_a_stopped_worker() {
    let pool = Pool::new(1).unwrap();
    let worker = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    let stopped = Stopped::new(worker);
    let calls: Vec<_> = (0..3_u8).map(|x| pool.submit(|x| (x, std::process::id()), x)).collect();
    for (x, call) in (0..).zip(calls) {
        // It takes 20 s before the worker is given up.
        let other = call.join_timeout(3 * BOUND).expect("another worker executes it").unwrap();
        assert!(other.0 == x && other.1 != worker);
    }
    drop(stopped);
    wait_until("the stopped one is gone", || !is_alive(worker));
}

#[test]
fn a_worker_that_is_stopped_in_a_call_runs_out_of_time() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let limit = Duration::from_millis(300);
    let call = pool.submit_timeout(gated, (entered.clone(), gate.clone()), limit);
    let stopped = Stopped::new(soon(&entered));
    gate.put(1).unwrap();
    let behind = pool.submit(|x: u8| x, 1);
    let error = ended(call).unwrap_err();
    assert!(matches!(error, JoinError::TimedOut { .. }), "{error}");
    assert_eq!(ended(behind).unwrap(), 1);
    drop(stopped);
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
    let pid = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    let take: fn(Odd) = |_odd| ();
    let give: fn(u8) -> Odd = |which| if which == 0 { Odd::NoEncode } else { Odd::NoDecode };
    let error = ended(pool.submit(take, Odd::NoEncode)).unwrap_err();
    assert!(
        matches!(&error, JoinError::Encode { side: Side::Parent, message, .. }
            if message == "it does not want to go"),
        "{error}"
    );
    let error = ended(pool.submit(take, Odd::NoDecode)).unwrap_err();
    assert!(
        matches!(&error, JoinError::Decode { side: Side::Worker, message, .. }
            if message == "it does not want to come"),
        "{error}"
    );
    let error = ended(pool.submit(give, 0)).unwrap_err();
    assert!(matches!(&error, JoinError::Encode { side: Side::Worker, .. }), "{error}");
    let error = ended(pool.submit(give, 1)).unwrap_err();
    assert!(matches!(&error, JoinError::Decode { side: Side::Parent, .. }), "{error}");
    ended(pool.submit(take, Odd::Fine)).unwrap();
    assert_eq!(ended(pool.submit(|()| std::process::id(), ())).unwrap(), pid, "it survived");
}

#[test]
fn workers_die_with_the_parent_in_the_middle_of_a_call() {
    let example = crate::examples::path("processes_orphan");
    let mut parent = Command::new(example).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pids: Vec<u32> = lines.take(8).map(|line| line.unwrap().parse().unwrap()).collect();
    assert_eq!(pids.len(), 8);
    // Those cannot do anything about it themselves.
    let stopped = pids[6..].iter().map(|&pid| Stopped::new(pid)).collect::<Vec<_>>();
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("all workers are gone", || !pids.iter().any(|&pid| is_alive(pid)));
    drop(stopped);
}

#[test]
fn stdin_of_a_worker_is_empty() {
    let pool = Pool::new(1).unwrap();
    let read = pool.submit(|()| std::io::read_to_string(std::io::stdin()).unwrap().len(), ());
    assert_eq!(ended(read).unwrap(), 0);
}

#[test]
fn user_code_does_not_see_the_marker_and_has_its_own_group() {
    let pool = Pool::new(1).unwrap();
    let names: fn(()) -> Vec<String> = |()| std::env::vars().map(|(name, _)| name).collect();
    let mine = names(());
    let more = ended(pool.submit(names, ())).unwrap();
    let more: Vec<_> = more.into_iter().filter(|name| !mine.contains(name)).collect();
    assert_eq!(more, [""; 0], "a worker's environment is its parent's");
    let group: fn(()) -> u32 = |()| {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    let worker = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    assert_eq!(ended(pool.submit(group, ())).unwrap(), worker);
}

#[test]
fn a_child_that_somebody_else_reaps_is_lost_without_a_status() {
    let ignoring: fn(()) -> bool = |()| {
        const SIGCHLD: i32 = 17;
        ignore(SIGCHLD);
        let pool = Pool::new(1).unwrap();
        let lost = ended(pool.submit(|()| std::process::abort(), ()));
        assert_eq!(ended(pool.submit(|x: u8| x, 1)).unwrap(), 1);
        matches!(lost, Err::<(), _>(JoinError::WorkerLost { signal: None, exit_code: None, .. }))
    };
    assert!(ended(processes::spawn(ignoring, ()).unwrap()).unwrap());
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

/// Leaves a worker without descriptors.
fn starve(_: u8) {
    limit(Resource::Descriptors, 64);
    std::mem::forget(hoard(0));
}

#[test]
fn a_worker_without_descriptors_says_so_at_once() {
    let length: fn(Vec<u8>) -> usize = |bytes| bytes.len();
    // What lies in the arena needs none.
    let pool = Pool::new(1).unwrap();
    ended(pool.submit(starve, 0)).unwrap();
    assert_eq!(ended(pool.submit(length, vec![1; 200_000])).unwrap(), 200_000);
    let pool = Pool::builder().workers(1).arena(0).build().unwrap();
    ended(pool.submit(starve, 0)).unwrap();
    let error = ended(pool.submit(length, vec![1; 200_000])).unwrap_err();
    let told = |error: &JoinError| {
        matches!(error, JoinError::Decode { side: Side::Worker, message, .. }
            if message.contains("no descriptor was left for it in the worker"))
    };
    assert!(told(&error), "{error}");
    let error = ended(pool.submit(|queue: Queue<u8>| queue.len(), Queue::bounded(1).unwrap()));
    assert!(error.is_err_and(|error| told(&error)));
    assert_eq!(ended(pool.submit(length, vec![1; 9])).unwrap(), 9, "it goes on");
}

/// A resource of which a process can be given a limited amount, by the number that the kernel has for
/// it.
#[derive(Clone, Copy)]
enum Resource {
    /// The size of a file, also of one in memory.
    FileSize = 1,
    /// The highest descriptor.
    Descriptors = 7,
    /// The size of the address space.
    Addresses = 9,
}

/// Sets this process's limit, which can be raised again.
fn limit(resource: Resource, amount: u64) {
    unsafe extern "C" {
        fn getrlimit(resource: i32, limit: *mut [u64; 2]) -> i32;
        fn setrlimit(resource: i32, limit: *const [u64; 2]) -> i32;
    }
    let mut limits = [0; 2];
    // SAFETY: two 64-bit numbers are a `struct rlimit`.
    assert_eq!(unsafe { getrlimit(resource as i32, &raw mut limits) }, 0);
    limits[0] = amount.min(limits[1]);
    // SAFETY: as above.
    assert_eq!(unsafe { setrlimit(resource as i32, &raw const limits) }, 0);
}

/// Has a signal of this number ignored.
fn ignore(number: i32) {
    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }
    // SAFETY: 1 is SIG_IGN; no handler is installed.
    assert_ne!(unsafe { signal(number, 1) }, usize::MAX);
}

#[test]
fn a_shortage_of_descriptors_at_any_step_of_a_start() {
    let sweep: fn(()) -> (u32, u32, u32) = |()| {
        limit(Resource::Descriptors, 128);
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
        limit(Resource::Descriptors, 128);
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
    assert!(ended(processes::spawn(shortage, ()).unwrap()).unwrap());
}

#[test]
fn shutdown_is_bounded_by_the_grace_period() {
    let ends: fn(()) -> bool = |()| {
        drop(Pool::new(1).unwrap());
        let before = (descriptors(), children().len());
        let pool = Pool::builder().workers(3).grace(Duration::from_millis(50)).build().unwrap();
        let entered = Queue::bounded(8).unwrap();
        let hang: Vec<_> = (0..2).map(|_| pool.submit(hang, entered.clone())).collect();
        soon(&entered);
        // One hangs in a call, one hangs and is stopped, one has nothing to do.
        let stopped = Stopped::new(soon(&entered));
        assert_eq!(pool.shutdown_now().count(), 0);
        assert!(hang.into_iter().all(|call| is_lost(&ended(call).unwrap_err())));
        drop((stopped, entered));
        wait_until("nothing is left", || (descriptors(), children().len()) == before);
        true
    };
    let bounded = processes::spawn(ends, ()).unwrap();
    assert!(bounded.join_timeout(2 * BOUND).expect("shutdown does not hang").unwrap());
}

/// True for a worker that was killed.
fn is_lost(error: &JoinError) -> bool {
    matches!(error, JoinError::WorkerLost { signal: Some(9), .. })
}
