//! Named threads, their registry, and timers.

use crate::support::{LIMIT, in_time, until};
use std::io::ErrorKind::InvalidInput;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use threads::{JoinError, ThreadBuilder};

/// Whether a thread with this name is in the registry.
fn is_listed(name: &str) -> bool {
    threads::enumerate().iter().any(|thread| thread.name() == Some(name))
}

#[test]
fn named_listed_and_joined_in_time() {
    let (open, closed) = mpsc::channel::<()>();
    let builder = ThreadBuilder::new().name("builder-test").stack_size(1 << 20);
    let thread = builder.spawn(move || {
        let _ = closed.recv(); // Ends when `open` is dropped.
        thread::current().name().map(str::to_owned)
    });
    let thread = thread.unwrap();
    assert_eq!(thread.name(), Some("builder-test"));
    assert!(is_listed("builder-test") && threads::active_count() > 0);
    assert!(!threads::join_all_timeout(Duration::from_millis(2)), "it runs");
    assert!(!thread.wait_timeout(Duration::from_millis(2)));
    #[cfg(target_os = "linux")]
    {
        let id = thread.native_id().unwrap();
        let name = std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap();
        assert_eq!(name.trim_end(), "builder-test");
    }
    let thread = thread.join_timeout(Duration::from_millis(2)).unwrap_err();
    assert!(thread.is_alive() && !thread.is_finished());
    drop(open);
    let name = thread.join_timeout(LIMIT).unwrap().unwrap();
    assert_eq!(name.as_deref(), Some("builder-test"));
    assert!(!is_listed("builder-test"), "already when it was joined");
}

#[test]
fn a_panic_calls_the_hook_once() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let builder = ThreadBuilder::new().name("panics").on_panic(move |thread, message| {
        seen.lock().unwrap().push((thread.name().map(str::to_owned), message.to_owned()));
        panic!("the hook, too");
    });
    let error = builder.spawn(|| panic!("no {}", "cheese")).unwrap().join().unwrap_err();
    assert!(matches!(error, JoinError::Panicked { .. }));
    assert_eq!(error.to_string(), "job panicked: no cheese");
    assert_eq!(*calls.lock().unwrap(), [(Some("panics".to_owned()), "no cheese".to_owned())]);
    let unused = Arc::clone(&calls);
    let builder = ThreadBuilder::new().on_panic(move |_, _| unused.lock().unwrap().clear());
    assert_eq!(builder.spawn(|| 1).unwrap().join().unwrap(), 1);
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_started_is_an_error() {
    let error = ThreadBuilder::new().name("a\0b").spawn(|| ()).unwrap_err();
    assert_eq!(error.kind(), InvalidInput);
    let dropped = Arc::new(());
    let kept = Arc::clone(&dropped);
    for bytes in [usize::MAX / 2, usize::MAX] {
        let kept = Arc::clone(&kept);
        let absurd = ThreadBuilder::new().name("absurd").stack_size(bytes);
        assert!(absurd.spawn(move || drop(kept)).is_err());
    }
    drop(kept);
    assert_eq!(Arc::strong_count(&dropped), 1);
    assert!(!is_listed("absurd"));
}

/// In a process of its own: other tests start threads, too.
#[test]
fn joining_all() {
    const NAME: &str = "spawn::builder::joining_all";
    if std::env::var_os("TRIPTYCH_JOIN_ALL").is_none() {
        let program = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(program);
        let status = command.args(["--exact", NAME]).env("TRIPTYCH_JOIN_ALL", "1").output();
        assert!(status.unwrap().status.success());
        return;
    }
    in_time(|| {
        let done = Arc::new(AtomicUsize::new(0));
        assert_eq!(threads::active_count(), 0);
        for _ in 0..3 {
            let done = Arc::clone(&done);
            let child = move |()| {
                let inner = Arc::clone(&done);
                // One that is started meanwhile.
                drop(threads::spawn(move |()| inner.fetch_add(1, SeqCst), ()).unwrap());
                done.fetch_add(1, SeqCst);
            };
            drop(threads::spawn(child, ()).unwrap());
        }
        // From one of them: it does not wait for itself.
        let all = |()| threads::join_all();
        threads::spawn(all, ()).unwrap().join().unwrap();
        assert_eq!(done.load(SeqCst), 6);
        threads::join_all();
        assert_eq!(threads::active_count(), 0);
        until("the list is empty", || threads::enumerate().is_empty());
    });
}

/// The function has returned, but the thread is held up by what it leaves behind.
#[test]
fn limits_hold_for_a_thread_that_is_slow_to_end() {
    /// Waits in its drop until the sender is dropped.
    struct Slow(mpsc::Receiver<()>);
    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv_timeout(LIMIT); // It is dropped.
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Slow>> = const { std::cell::RefCell::new(None) };
    }
    let start = |()| {
        let (open, gate) = mpsc::channel();
        let body = |gate| {
            LAST.set(Some(Slow(gate)));
            5
        };
        (open, threads::spawn(body, gate).unwrap())
    };
    in_time(move || {
        let begun = std::time::Instant::now();
        let (open, handle) = start(());
        assert_eq!(handle.join_timeout(LIMIT / 2).unwrap().unwrap(), 5);
        let (open_2, handle) = start(());
        let mut set = threads::as_completed([handle]);
        assert!(matches!(set.next_timeout(LIMIT / 2), Some((0, Ok(5)))));
        let (open_3, handle) = start(());
        assert_eq!(crate::support::block_on(handle).unwrap(), 5);
        assert!(begun.elapsed() < LIMIT / 2);
        // Without a limit, the thread's end is waited for.
        let (open_4, handle) = start(());
        assert!(handle.wait_timeout(LIMIT));
        let joiner = thread::spawn(|| handle.join().unwrap());
        drop(open_4);
        assert_eq!(joiner.join().unwrap(), 5);
        drop((open, open_2, open_3));
    });
}

#[test]
fn a_thread_that_was_joined_is_not_listed_any_more() {
    for _ in 0..500 {
        let thread = ThreadBuilder::new().name("joined-soon").spawn(|| ()).unwrap();
        thread.join().unwrap();
        assert!(!is_listed("joined-soon"));
    }
    drop(ThreadBuilder::new().name("detached-soon").spawn(|| ()).unwrap());
    until("it is forgotten without a join", || !is_listed("detached-soon"));
}

#[test]
fn several_threads_wait_for_one() {
    in_time(|| {
        for waiters in 1..10 {
            let stop = threads::Event::new().unwrap();
            let stops = stop.clone();
            let waited_for = ThreadBuilder::new().spawn(move || stops.wait()).unwrap();
            thread::scope(|scope| {
                for _ in 0..waiters {
                    scope.spawn(|| assert!(waited_for.wait_timeout(LIMIT)));
                }
                assert!(!waited_for.wait_timeout(Duration::ZERO));
                stop.set();
            });
            waited_for.join().unwrap();
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn each_thread_has_a_number_of_its_own() {
    let meet = Arc::new(std::sync::Barrier::new(11));
    let start = |_| {
        let meet = Arc::clone(&meet);
        ThreadBuilder::new().spawn(move || meet.wait().is_leader()).unwrap()
    };
    let threads: Vec<_> = (0..10).map(start).collect();
    let numbers = threads.iter().map(|thread| thread.native_id().unwrap());
    let mut numbers: Vec<_> = numbers.chain([std::process::id().into()]).collect();
    meet.wait();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 11, "the process's own number is that of the main thread");
    for thread in threads {
        thread.join().unwrap();
    }
}
