//! Tokens.

use crate::support::{Bomb, Counted, Gate, LIMIT, in_time, until};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use threads::{CancelToken, Cancelled, JoinError, JoinHandle, Pool};

/// Whether the job was cancelled.
fn is_cancelled<R>(handle: JoinHandle<R>) -> bool {
    matches!(handle.join(), Err(JoinError::Cancelled))
}

#[test]
fn a_token_cancels_what_is_queued_at_once() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let token = CancelToken::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let with: Vec<_> = (0..100)
        .map(|_| {
            let counted = Counted(Arc::clone(&drops));
            pool.spawn_with(&token, move || drop(counted))
        })
        .collect();
    let without = pool.spawn(|| 1);
    assert!(token.cancel() && !token.cancel() && token.is_cancelled());
    assert_eq!(drops.load(SeqCst), 100);
    assert!(with.iter().all(JoinHandle::is_finished), "although the worker is busy");
    assert!(with.into_iter().all(is_cancelled));
    assert_eq!((pool.stats().cancelled, pool.stats().queued), (100, 1));
    assert!(is_cancelled(pool.spawn_with(&token, || 1)), "and what comes later");
    gate.open().join().unwrap();
    assert_eq!(without.join().unwrap(), 1);
}

#[test]
fn a_running_job_asks() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let token = CancelToken::new();
        let stop = token.clone();
        let (running, seen) = mpsc::channel();
        let job = pool.spawn_with(&token, move || -> Result<(), Cancelled> {
            running.send(()).unwrap();
            loop {
                stop.check()?;
                thread::yield_now();
            }
        });
        seen.recv().unwrap();
        token.cancel();
        assert_eq!(job.join().unwrap().unwrap_err().to_string(), "the work was cancelled");
    });
}

#[test]
fn cancelling_goes_down_and_never_up() {
    let root = CancelToken::new();
    let (left, right) = (root.child(), root.child());
    let leaf = left.child();
    assert!(left.cancel());
    assert!(leaf.is_cancelled() && !right.is_cancelled() && !root.is_cancelled());
    assert!(root.cancel());
    assert!(right.is_cancelled() && root.child().is_cancelled());
    let mut deep = CancelToken::new();
    let top = deep.clone();
    for _ in 0..100_000 {
        let child = deep.child();
        child.on_cancel(move || drop(deep)); // Keeps its parent.
        deep = child;
    }
    top.cancel();
    assert!(deep.is_cancelled(), "however deep");
}

/// Nobody else has the token in between, but what is below depends on it.
#[test]
fn a_token_in_between_may_be_dropped() {
    in_time(|| {
        let root = CancelToken::new();
        let leaf = root.child().child().child();
        let pool = Pool::new(1).unwrap();
        let job = pool.spawn_with(&root.child(), || CancelToken::current().unwrap().child());
        let of_job = job.join().unwrap();
        let wait = leaf.clone();
        let waits = pool.spawn(move || wait.wait());
        root.cancel();
        assert!(leaf.is_cancelled() && of_job.is_cancelled());
        waits.join().unwrap();
        // However many there are, to the end of them.
        let mut deep = CancelToken::new();
        for _ in 0..1_000_000 {
            deep = deep.child();
        }
        drop(deep);
    });
}

#[test]
fn callbacks_outlive_their_token() {
    let root = CancelToken::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = |token: &CancelToken| {
        let calls = Arc::clone(&calls);
        token.on_cancel(move || {
            calls.fetch_add(1, SeqCst);
        });
    };
    count(&root.child());
    count(&root.child().child());
    let kept = root.child();
    let gone = kept.child();
    count(&gone);
    drop(gone);
    assert_eq!(calls.load(SeqCst), 0);
    kept.cancel();
    assert_eq!(calls.load(SeqCst), 1, "the one below it");
    root.cancel();
    assert_eq!(calls.load(SeqCst), 3, "each once");
    let lonely = CancelToken::new();
    count(&lonely);
    count(&lonely.child());
    drop(lonely);
    assert_eq!((calls.load(SeqCst), Arc::strong_count(&calls)), (3, 1), "dropped uncalled");
}

#[test]
fn jobs_inherit_the_token_of_the_job_that_spawns_them() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let token = CancelToken::new();
        let (inner, cancel) = (Arc::clone(&pool), token.clone());
        assert!(CancelToken::current().is_none());
        let job = pool.spawn_with(&token, move || {
            assert!(CancelToken::current().is_some());
            let other = CancelToken::new();
            let children = [inner.spawn(|| 1), inner.spawn_with(&other, || 2)];
            let free = inner.spawn_with(&other, || CancelToken::current().unwrap().is_cancelled());
            cancel.cancel();
            assert!(!free.join().unwrap(), "run on the spot, with a token of its own");
            assert!(CancelToken::current().unwrap().is_cancelled(), "and then the own one again");
            children
        });
        let [child, other] = job.join().unwrap();
        assert!(is_cancelled(child));
        assert_eq!(other.join().unwrap(), 2);
        assert!(pool.spawn(|| CancelToken::current().is_none()).join().unwrap());
    });
}

#[test]
fn waiting_for_a_token() {
    in_time(|| {
        let token = CancelToken::new();
        assert!(!token.wait_timeout(Duration::from_millis(1)));
        thread::scope(|scope| {
            let waits = [0; 3].map(|_| scope.spawn(|| token.wait_timeout(LIMIT)));
            let forever = scope.spawn(|| token.child().wait());
            token.cancel();
            assert!(waits.map(|wait| wait.join().unwrap()).into_iter().all(|over| over));
            forever.join().unwrap();
        });
        assert!(token.wait_timeout(Duration::ZERO));
        // On the only worker: another one runs the job that cancels.
        let pool = Pool::new(1).unwrap();
        let token = CancelToken::new();
        let (wait, cancel) = (token.clone(), token.clone());
        let waits = pool.spawn(move || wait.wait());
        pool.spawn(move || cancel.cancel()).join().unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn callbacks_are_called_once_and_isolated() {
    let token = CancelToken::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = || {
        let calls = Arc::clone(&calls);
        move || {
            calls.fetch_add(1, SeqCst);
        }
    };
    token.on_cancel(count());
    token.on_cancel(|| panic!("callback of a token"));
    token.on_cancel(count());
    token.cancel();
    token.cancel();
    assert_eq!(calls.load(SeqCst), 2);
    token.on_cancel(count());
    assert_eq!(calls.load(SeqCst), 3, "at once");
}

#[test]
fn a_map_ends_with_its_token() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let token = CancelToken::new();
        let mut map = pool.map(|x: u64| x, 0..).buffer(8).token(&token);
        assert_eq!(map.next().unwrap().unwrap(), 0);
        token.cancel();
        assert!(map.by_ref().count() <= 8, "at most what was ahead, and one for the rest");
        assert!(map.next().is_none());
        let unordered = pool.map_unordered(|x: u64| x, 0..).token(&token);
        assert_eq!(unordered.count(), 1);
    });
}

/// What is missing must not look as if it had never been there.
#[test]
fn a_map_that_is_cut_off_says_so_once() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let token = CancelToken::new();
        token.cancel();
        let ordered = || pool.map(|x: u64| x, 0..1000).token(&token);
        let unordered = || pool.map_unordered(|x: u64| x, 0..1000).token(&token);
        assert!(matches!(ordered().collect::<Result<Vec<_>, _>>(), Err(JoinError::Cancelled)));
        assert!(matches!(unordered().collect::<Result<Vec<_>, _>>(), Err(JoinError::Cancelled)));
        let (mut ordered, mut unordered) = (ordered(), unordered());
        assert_eq!(ordered.size_hint(), (1, Some(1000)));
        let soon = Duration::from_secs(10);
        assert!(matches!(ordered.next_timeout(soon), Ok(Some(Err(JoinError::Cancelled)))));
        assert!(matches!(unordered.next_timeout(soon), Ok(Some(Err(JoinError::Cancelled)))));
        assert!(matches!(ordered.next_timeout(soon), Ok(None)) && ordered.next().is_none());
        assert!(matches!(unordered.next_timeout(soon), Ok(None)) && unordered.next().is_none());
        assert_eq!(ordered.size_hint(), (0, Some(0)));
        assert_eq!(pool.map(|x: u64| x, 0..0).token(&token).count(), 0, "nothing is missing");
    });
}

#[test]
fn a_map_ends_with_a_token_that_it_inherits() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let token = CancelToken::new();
        let (ordered, unordered) = (|x: u64| x, |x: u64| x);
        let (mut ordered, mut unordered) =
            (pool.map(ordered, 0..).buffer(4), pool.map_unordered(unordered, 0..).buffer(4));
        token.run(|| assert!(ordered.next().unwrap().is_ok())).unwrap();
        token.run(|| assert!(unordered.next().unwrap().is_ok())).unwrap();
        token.cancel();
        for cut in [
            token.run(|| ordered.by_ref().take(100).filter(Result::is_err).count()),
            token.run(|| unordered.by_ref().take(100).filter(Result::is_err).count()),
        ] {
            assert!((1..=5).contains(&cut.unwrap()), "those that were ahead, and one more");
        }
        assert!(ordered.next().is_none() && unordered.next().is_none(), "outside of it, too");
        let cut = token.run(|| pool.map(|x: u64| x, 0..).take(100).count());
        assert_eq!(cut, Ok(1));
        let job = pool.spawn_with(&CancelToken::new(), || {
            let token = CancelToken::current().unwrap();
            token.cancel();
            let pool = Pool::new(1).unwrap();
            pool.map(|x: u64| x, 0..).take(100).count() + pool.map(|x: u64| x, 0..0).count()
        });
        assert_eq!(job.join().unwrap(), 1);
    });
}

#[test]
fn a_token_forgets_jobs_that_are_gone() {
    let pool = Pool::new(1).unwrap();
    let token = CancelToken::new();
    let payload = Arc::new(());
    for _ in 0..10_000 {
        let held = Arc::clone(&payload);
        pool.spawn_with(&token, move || drop(held)).join().unwrap();
        drop(token.child());
    }
    until("no closure is left", || Arc::strong_count(&payload) == 1);
}

#[test]
fn cancelling_races_with_running() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        for _ in 0..2_000 {
            let token = CancelToken::new();
            let ran = Arc::new(AtomicUsize::new(0));
            let jobs: Vec<_> = (0..8)
                .map(|_| {
                    let ran = Arc::clone(&ran);
                    pool.spawn_with(&token, move || ran.fetch_add(1, SeqCst))
                })
                .collect();
            token.cancel();
            let cancelled = jobs.into_iter().map(is_cancelled);
            let cancelled = cancelled.filter(|was| *was).count();
            assert_eq!(ran.load(SeqCst) + cancelled, 8);
        }
        assert_eq!(pool.stats().queued, 0);
    });
}

/// A callback may wait for what asks a token below, and for queued jobs of it.
#[test]
fn tokens_below_are_cancelled_before_anybody_is_told() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let root = CancelToken::new();
        let below = root.child().child();
        let (asks, begun) = (below.clone(), threads::Event::new().unwrap());
        let begins = begun.clone();
        let running = pool.spawn(move || {
            begins.set();
            until("it is cancelled", || asks.is_cancelled());
        });
        assert!(begun.wait_timeout(LIMIT));
        let queued = pool.spawn_with(&below, || ());
        let (send, ends) = mpsc::channel();
        root.on_cancel(move || {
            let is_cancelled = queued.outcome() == Some(threads::Outcome::Cancelled);
            send.send((is_cancelled, running.join().is_ok())).unwrap();
        });
        assert!(root.cancel());
        assert_eq!(ends.try_recv(), Ok((true, true)));
    });
}

/// Whoever has the token last, a handle for example, did not register it.
#[test]
fn a_callback_that_is_dropped_panics_nowhere() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        for by_child in [false, true] {
            let token = CancelToken::new();
            let bomb = Bomb;
            let last = if by_child { token.child() } else { token.clone() };
            last.on_cancel(move || drop(bomb));
            let job = pool.spawn_with(&last, || 1);
            drop((last, token));
            assert!(job.wait_timeout(LIMIT));
            assert_eq!(job.join().unwrap(), 1);
        }
    });
}
