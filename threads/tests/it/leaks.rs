//! Nothing is left behind: threads, closures, results.

use crate::support::{Counted, until};
use std::cell::RefCell;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use threads::Pool;

/// The names and states (`S`: sleeping) of this process's threads.
#[cfg(target_os = "linux")]
fn tasks() -> Vec<(String, char)> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // A thread may end while it is looked at.
    let stat = |task: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        let (head, tail) = text.rsplit_once(") ")?;
        Some((head.split_once('(')?.1.to_owned(), tail.chars().next()?))
    };
    tasks.filter_map(stat).collect()
}

/// How many threads with such a name sleep.
#[cfg(target_os = "linux")]
pub(crate) fn sleeping(prefix: &str) -> usize {
    tasks().iter().filter(|(name, state)| name.starts_with(prefix) && *state == 'S').count()
}

/// How many threads have such a name.
#[cfg(target_os = "linux")]
pub(crate) fn count(prefix: &str) -> usize {
    tasks().iter().filter(|(name, _)| name.starts_with(prefix)).count()
}

thread_local! {
    /// Counts when its thread ends, after everything else the thread does.
    static LAST: RefCell<Option<Counted>> = const { RefCell::new(None) };
}

#[test]
fn every_way_to_end_a_pool_waits_for_its_threads() {
    for end in [drop as fn(Pool), Pool::shutdown, |pool| assert_eq!(pool.shutdown_now().count(), 0)]
    {
        let ended = Arc::new(AtomicUsize::new(0));
        let pool = Pool::builder().workers(5).name("leak-check").build().unwrap();
        let meet = Arc::new(Barrier::new(5));
        let mark = |(meet, counted): (Arc<Barrier>, Counted)| {
            meet.wait(); // So that every worker runs one.
            LAST.set(Some(counted));
        };
        let inputs = (0..5).map(|_| (Arc::clone(&meet), Counted(Arc::clone(&ended))));
        assert!(pool.map(mark, inputs.collect::<Vec<_>>()).all(|result| result.is_ok()));
        assert_eq!(ended.load(SeqCst), 0);
        end(pool);
        assert_eq!(ended.load(SeqCst), 5, "already when the call returns");
        #[cfg(target_os = "linux")]
        until("the kernel has forgotten them", || count("leak-check-") == 0);
    }
}

#[test]
fn joining_a_thread_of_its_own_waits_for_its_end() {
    let ended = Arc::new(AtomicUsize::new(0));
    let mark = |counted| LAST.set(Some(counted));
    for x in 1..100 {
        threads::spawn(mark, Counted(Arc::clone(&ended))).unwrap().join().unwrap();
        assert_eq!(ended.load(SeqCst), x);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pool_that_its_own_job_drops_ends_its_threads() {
    let pool = Arc::new(Pool::builder().workers(2).name("own-drop").build().unwrap());
    let inner = Arc::clone(&pool);
    let job = pool.spawn(move || {
        until("the other owner is gone", || Arc::strong_count(&inner) == 1);
        drop(inner);
    });
    drop(pool);
    job.join().unwrap();
    until("the threads have ended", || count("own-drop-") == 0);
}

#[test]
fn cancelled_and_unrun_closures_are_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let pool = Pool::new(1).unwrap();
    let gate = crate::support::Gate::occupy(&pool);
    let handles: Vec<_> = (0..100)
        .map(|_| {
            let counted = Counted(Arc::clone(&drops));
            pool.spawn(move || drop(counted))
        })
        .collect();
    assert_eq!(handles.iter().filter(|handle| handle.cancel()).count(), 100);
    assert_eq!(drops.load(SeqCst), 100);
    drop(gate.open());
    pool.shutdown();
    drop(handles);
    assert_eq!(Arc::strong_count(&drops), 1);
}

#[test]
fn a_queue_drops_what_is_left_in_it() {
    let drops = Arc::new(AtomicUsize::new(0));
    let queue = threads::Queue::bounded(3).unwrap();
    for _ in 0..3 {
        queue.put(Counted(Arc::clone(&drops))).unwrap();
    }
    queue.shutdown();
    assert_eq!(drops.load(SeqCst), 0, "they can still be got");
    drop(queue);
    assert_eq!(drops.load(SeqCst), 3);
}

#[test]
fn an_idle_pool_keeps_nothing_of_its_jobs() {
    let pool = Pool::new(2).unwrap();
    let value = Arc::new(());
    for x in 0..100 {
        let (used, returned) = (Arc::clone(&value), Arc::clone(&value));
        let handle = pool.spawn(move || {
            assert!(x % 3 > 0, "on purpose: {used:?}");
            returned
        });
        match x % 4 {
            0 => drop(handle),
            1 => drop(handle.join()),
            2 => handle.on_result(drop),
            _ => drop(pool.map(|kept| Arc::strong_count(&kept), [Arc::clone(&value)]).next()),
        }
    }
    until("nobody has it any more", || Arc::strong_count(&value) == 1);
    assert_eq!(pool.stats().queued, 0);
}

/// A job that spawns and joins for long leaves nothing of what it has joined.
#[test]
fn jobs_run_on_the_spot_do_not_pile_up() {
    const JOBS: usize = 20_000;
    let pool = Arc::new(Pool::new(1).unwrap());
    let inner = Arc::clone(&pool);
    let left = pool.spawn(move || {
        let kept = inner.spawn(|| 2);
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..JOBS {
            // What is left of a job holds its token, and that its callback.
            let token = threads::CancelToken::new();
            let counted = Counted(Arc::clone(&drops));
            token.on_cancel(move || drop(counted));
            inner.spawn_with(&token, || ()).join().unwrap();
        }
        (JOBS - drops.load(SeqCst), kept)
    });
    let (left, kept) = left.join().unwrap();
    assert!(left < 1_000, "{left} are left");
    assert_eq!(kept.join().unwrap(), 2);
}
