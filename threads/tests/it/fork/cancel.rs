//! A token around forked work.

use super::idle_pool;
use crate::support::{LIMIT, in_time};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use threads::{CancelToken, Cancelled, JoinError, Pool, join, scope};

/// Forks for ever.
fn endless() {
    join(endless_leaf, || join(endless_leaf, endless));
}

/// Something to do.
fn endless_leaf() {
    std::hint::black_box(0);
}

/// Loops, as a deep recursion would need too much stack.
fn spin() {
    loop {
        join(|| join(endless_leaf, endless_leaf), || join(endless_leaf, endless_leaf));
    }
}

#[test]
fn run_gives_what_was_returned() {
    let token = CancelToken::new();
    assert_eq!(token.run(|| 1), Ok(1));
    token.cancel();
    assert_eq!(token.run(|| 1), Ok(1), "nothing looked at the token");
    assert_eq!(token.run(|| join(|| 1, || 2)), Err(Cancelled));
    assert!(CancelToken::current().is_none());
}

#[test]
fn an_endless_recursion_stops() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(token.run(endless), Err(Cancelled));
}

/// With two joins around it that nobody helps with, a join is a direct call.
#[test]
fn a_loop_of_direct_joins_stops() {
    fn fork() {
        loop {
            join(endless_leaf, endless_leaf);
        }
    }
    in_time(|| {
        let token = CancelToken::new();
        let cancels = || {
            token.cancel(); // The outer joins have begun.
            fork();
        };
        let body = || join(|| join(cancels, endless_leaf), endless_leaf);
        assert_eq!(Pool::inline().install(|| token.run(body)), Err(Cancelled));
    });
}

#[test]
fn a_job_that_forks_is_cancelled_while_it_runs() {
    in_time(|| {
        let pool = idle_pool(2);
        let token = CancelToken::new();
        let (begun, seen) = mpsc::channel();
        let job = pool.spawn_with(&token, move || {
            begun.send(()).unwrap();
            spin();
        });
        seen.recv_timeout(LIMIT).unwrap();
        token.cancel();
        assert!(matches!(job.join(), Err(JoinError::Cancelled)));
        let stats = pool.stats();
        assert_eq!((stats.cancelled, stats.panicked, stats.running), (1, 0, 0));
    });
}

#[test]
fn a_scope_has_the_token_and_so_have_its_tasks() {
    let pool = idle_pool(2);
    let token = CancelToken::new();
    let ran = AtomicUsize::new(0);
    let end = pool.install(|| {
        token.run(|| {
            scope(|scope| {
                scope.spawn(|| {
                    assert!(CancelToken::current().is_some());
                    ran.fetch_add(1, SeqCst);
                });
            });
            token.cancel();
            scope(|scope| {
                assert!(scope.is_cancelled());
                scope.spawn(|| {
                    ran.fetch_add(10, SeqCst);
                });
            });
        })
    });
    assert_eq!(end, Err(Cancelled));
    assert_eq!(ran.into_inner(), 1);
}

#[test]
fn panics_go_through_run() {
    let end = std::panic::catch_unwind(|| CancelToken::new().run(|| panic!("no cancelling")));
    assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "no cancelling");
}
