//! No wake-up is lost, and none is needless.

use std::time::Duration;

use processes::{Pool, Queue};

use crate::support::{BOUND, Stopped, wait_until};

/// How long the threads of a process called `name...` have run, in nanoseconds: it grows with
/// every wake-up.
fn ran_ns(pid: u32, name: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let times = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let mine = std::fs::read_to_string(path.join("comm")).ok()?.starts_with(name);
        let times = std::fs::read_to_string(path.join("schedstat")).ok()?;
        mine.then(|| times.split_whitespace().next().unwrap().parse::<u64>().unwrap())
    });
    times.sum()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "doing nothing for a while is under test")]
fn an_idle_pool_does_not_wake_up() {
    let pool = Pool::builder().workers(1).name("idler").build().unwrap();
    let worker = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let all = || ran_ns(std::process::id(), "idler") + ran_ns(worker, "");
    // The threads may still be on their way to sleep.
    let mut before = all();
    wait_until("everybody sleeps", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = all();
        std::mem::replace(&mut before, now) == now
    });
    assert!(before > 0, "the threads were found");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(all(), before);
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "doing nothing for a while is under test")]
fn a_stopped_worker_with_a_full_control_socket_wakes_nobody() {
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
    let mine = || ran_ns(std::process::id(), "patient");
    let mut before = mine();
    wait_until("the pool sleeps", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = mine();
        std::mem::replace(&mut before, now) == now
    });
    assert!(!last.is_finished());
    drop(stopped);
    assert_eq!(last.join_timeout(BOUND).expect("it is sent when there is room").unwrap(), 20);
}
