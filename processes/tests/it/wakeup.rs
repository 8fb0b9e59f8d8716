//! No wake-up is lost, and none is needless.

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use processes::{Pool, Queue};

use crate::support::{BOUND, Stopped, gates, signal, skip, soon, wait_until};

/// What is seen of threads at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    /// How long they have run, in nanoseconds: it grows with every wake-up.
    ran_ns: u64,
    /// Whether all of them sleep. One that waits for a processor does not.
    asleep: bool,
}

impl Look {
    /// At the threads of a process called `name...`.
    fn at(pid: u32, name: &str) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let looks = tasks.filter_map(|task| {
            let path = task.ok()?.path();
            let read = |file| std::fs::read_to_string(path.join(file)).ok();
            if !read("comm")?.starts_with(name) {
                return None;
            }
            let ran_ns = first_number(&read("schedstat")?);
            // The state follows the name, which is in parentheses.
            Some(Self { ran_ns, asleep: read("stat")?.rsplit_once(") ")?.1.starts_with('S') })
        });
        Self::all(looks)
    }

    /// Several as one.
    fn all(looks: impl IntoIterator<Item = Self>) -> Self {
        let none = Self { ran_ns: 0, asleep: true };
        looks.into_iter().fold(none, |all, look| Self {
            ran_ns: all.ran_ns + look.ran_ns,
            asleep: all.asleep && look.asleep,
        })
    }

    /// Waits until all sleep, and none has woken up for so long. They may still be on their way when this is
    /// called, also some that look asleep: who is about to sleep says so before it leaves its processor, and may
    /// have to wait for one to do that. What wakes up again and again never sleeps for so long.
    #[expect(clippy::disallowed_methods, reason = "doing nothing for a while is under test")]
    fn asleep_for(time: Duration, look: impl Fn() -> Self) {
        let mut before = look();
        wait_until("everybody sleeps", || {
            std::thread::sleep(time);
            let now = look();
            now.asleep && std::mem::replace(&mut before, now) == now
        });
        assert!(before.ran_ns > 0, "the threads were found");
    }
}

/// The number with which a line begins.
fn first_number(line: &str) -> u64 {
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// False, with a line that says so, where the system does not tell how long threads have run.
fn has_times() -> bool {
    let mine = std::fs::read_to_string("/proc/self/schedstat");
    let has_times = mine.is_ok_and(|mine| first_number(&mine) > 0);
    if !has_times {
        eprintln!("skipped: this system does not tell how long threads have run");
    }
    has_times
}

#[test]
fn an_idle_pool_does_not_wake_up() {
    if !has_times() {
        return;
    }
    let pool = Pool::builder().workers(1).name("idler").build().unwrap();
    let worker = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let all = || Look::all([Look::at(std::process::id(), "idler"), Look::at(worker, "")]);
    Look::asleep_for(Duration::from_millis(500), all);
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
fn a_stopped_worker_with_a_full_control_socket_wakes_nobody() {
    if !has_times() {
        return;
    }
    let pool = Pool::builder().workers(1).name("patient").build().unwrap();
    let worker = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let stopped = Stopped::new(worker);
    // Descriptors go ahead of each call; the socket takes less than 300.
    let count: fn(Vec<Queue<u8>>) -> usize = |queues| queues.len();
    let queues = || (0..20).map(|_| Queue::with_bytes(1, 1).unwrap()).collect::<Vec<_>>();
    for _ in 0..30 {
        assert!(pool.submit(count, queues()).cancel());
    }
    let last = pool.submit(count, queues());
    Look::asleep_for(Duration::from_millis(100), || Look::at(std::process::id(), "patient"));
    assert!(!last.is_finished());
    drop(stopped);
    assert_eq!(last.join_timeout(BOUND).expect("it is sent when there is room").unwrap(), 20);
}

/// A program with an idle pool of two workers, in one of which a thread wakes up again and again if
/// that is `planted`. It says who they are.
#[expect(clippy::disallowed_methods, reason = "waking up again and again is to be found")]
fn idle((planted, pids, gate): (bool, Queue<u32>, Queue<u32>)) {
    let pool = Pool::builder().workers(2).name("idler").build().unwrap();
    wait_until("both workers are ready", || pool.stats().ready == 2);
    let wake: fn(()) = |()| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    };
    if planted {
        pool.submit(wake, ()).join().unwrap();
    }
    pids.put(std::process::id()).unwrap();
    pool.pids().into_iter().for_each(|pid| pids.put(pid).unwrap());
    drop(gate.get());
}

/// What system calls the threads of such a program end, or begin anew, within a time; none where
/// there is no strace, or it may not be used.
#[expect(clippy::disallowed_methods, reason = "doing nothing for a while is under test")]
fn calls_of_an_idle_pool(planted: bool, time: Duration) -> Option<Vec<String>> {
    let missing = |why: &str| {
        eprintln!("skipped: {why}");
        None
    };
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        skip("tools", "there is no strace to look for system calls with");
        return None;
    }
    if !has_times() {
        return None;
    }
    let (pids, gate) = gates();
    let program = processes::spawn(idle, (planted, pids.clone(), gate.clone())).unwrap();
    let pids = [(); 3].map(|()| soon(&pids));
    if !planted {
        Look::asleep_for(Duration::from_millis(500), || {
            Look::all(pids.map(|pid| Look::at(pid, "")))
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let (trace, errors) = (folder.path().join("trace"), folder.path().join("errors"));
    let mut strace = Command::new("strace");
    strace
        .arg("-f")
        .arg("-o")
        .arg(&trace)
        .args(pids.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()]));
    let mut strace = strace.stderr(std::fs::File::create(&errors).unwrap()).spawn().unwrap();
    let said = || std::fs::read_to_string(&errors).unwrap();
    wait_until("strace watches them", || {
        strace.try_wait().unwrap().is_some() || said().matches(" attached").count() >= pids.len()
    });
    std::thread::sleep(time);
    signal(strace.id(), "-INT");
    strace.wait().unwrap();
    gate.put(0).unwrap();
    program.join_timeout(BOUND).expect("it ends").unwrap();
    if said().matches(" detached").count() < pids.len() {
        return missing(&format!("strace may not be used: {}", said().trim_end()));
    }
    let trace = std::fs::read_to_string(&trace).unwrap();
    // The first line of each thread is the call in which it slept when strace came.
    let mut known = HashSet::new();
    let thread_of = |line: &str| line.split(' ').next().unwrap().to_owned();
    Some(trace.lines().filter(|line| !known.insert(thread_of(line))).map(str::to_owned).collect())
}

#[test]
fn an_idle_pool_makes_no_system_call_in_ten_seconds() {
    let calls = calls_of_an_idle_pool(false, Duration::from_secs(10));
    assert_eq!(calls.unwrap_or_default(), [""; 0]);
}

#[test]
fn a_system_call_of_an_idle_pool_would_be_found() {
    if let Some(calls) = calls_of_an_idle_pool(true, Duration::from_secs(1)) {
        assert!(calls.iter().any(|call| call.contains("nanosleep")), "{calls:?}");
    }
}
