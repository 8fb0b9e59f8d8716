//! No wake-up is lost, and none is needless.

use std::time::Duration;

use processes::Pool;

use crate::support::{BOUND, rounds, wait_until};

#[test]
fn external_submits_each_waited_for() {
    let pool = Pool::new(2).unwrap();
    for x in 0..rounds(10_000, 1_000_000) {
        let result = pool.submit(|x| x, x).join_timeout(BOUND).expect("no wake-up is lost");
        assert_eq!(result.unwrap(), x);
    }
}

/// How often the threads of a process called `name...` have gone to sleep.
fn switches(pid: u32, name: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = tasks.filter_map(|task| {
        let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let mine = status.lines().next()?.strip_prefix("Name:\t")?.starts_with(name);
        mine.then_some(status)
    });
    let counts = texts.map(|status| {
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt"));
        line.unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    });
    counts.sum()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "doing nothing for a while is under test")]
fn an_idle_pool_does_not_wake_up() {
    let pool = Pool::builder().workers(1).name("idler").build().unwrap();
    let worker = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let all = || switches(std::process::id(), "idler") + switches(worker, "");
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
