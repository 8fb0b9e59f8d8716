//! Children that are dropped: killed or not, waited for here, elsewhere or by nobody.

use std::io;
use std::time::Duration;

use evented::process::{Command, Stdio};
use evented::{Reactor, block_on, timeout, yield_now};

use super::{children, shell, waits_in};
use crate::support::{bounded, descriptors, in_own_process, threads, until, until_blocking};

#[test]
fn no_zombie_is_left_by_drops() {
    in_own_process("process::drops::no_zombie_is_left_by_drops", || {
        let threads_before = threads();
        block_on(bounded(async {
            let before = descriptors();
            // It has ended, is about to, is killed.
            let mut ended = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
            until(|| children() == (1, 0)).await;
            assert!(ended.stdout.take().is_some());
            drop(ended);
            assert_eq!(children(), (0, 0), "at once");
            drop(shell("exit 1").spawn().unwrap());
            drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap());
            until(|| children() == (0, 0)).await;
            // An output that nobody waits for any more.
            let mut command = Command::new("sleep");
            command.arg("1000").kill_on_drop(true);
            assert!(timeout(Duration::from_millis(5), command.output()).await.is_err());
            until(|| children() == (0, 0)).await;
            until(|| descriptors() == before && evented::stats().sources == 0).await;
        }));
        // A thread that was joined may be listed for a moment.
        until_blocking(|| threads() == threads_before);
        // Without a reactor.
        drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap());
        assert_eq!(children(), (0, 0));
        // With its reactor.
        let reactor = Reactor::new().unwrap();
        let task = reactor.spawn(async {
            let mut child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
            child.wait().await
        });
        reactor.block_on(async {
            yield_now().await;
            until(|| children() == (0, 1)).await;
        });
        task.detach();
        drop(reactor);
        assert_eq!(children(), (0, 0));
        // One that goes on is taken away with the next child, whatever becomes of that.
        let (gate, open) = io::pipe().unwrap();
        drop(shell("read x").stdin(gate).spawn().unwrap());
        assert_eq!(children(), (0, 1));
        drop(open);
        until_blocking(|| children() == (1, 0));
        block_on(bounded(async { shell("exit 0").status().await.unwrap() }));
        assert_eq!(children(), (0, 0));
    });
}

#[test]
fn a_child_that_is_dropped_goes_on() {
    in_own_process("process::drops::a_child_that_is_dropped_goes_on", || {
        let (mut result, theirs) = io::pipe().unwrap();
        let (gate, open) = io::pipe().unwrap();
        block_on(bounded(async {
            drop(shell("read x; echo alive").stdin(gate).stdout(theirs).spawn().unwrap());
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(children(), (0, 1));
        }));
        drop(open);
        let mut text = String::new();
        io::Read::read_to_string(&mut result, &mut text).unwrap();
        assert_eq!(text, "alive\n");
    });
}

/// It waits in a reactor that stands still, so no other one can wait for it.
#[test]
fn one_that_is_dropped_where_it_cannot_wait_is_remembered() {
    in_own_process(
        "process::drops::one_that_is_dropped_where_it_cannot_wait_is_remembered",
        || {
            let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
            let (gate, open) = io::pipe().unwrap();
            let mut child = shell("read x").stdin(gate).spawn().unwrap();
            waits_in(&first, &mut child);
            second.block_on(bounded(async move {
                drop(child);
                until(|| evented::stats().tasks == 0).await;
            }));
            assert_eq!(children(), (0, 1));
            drop(open);
            until_blocking(|| children() == (1, 0));
            second.block_on(bounded(async { shell("exit 0").status().await.unwrap() }));
            assert_eq!(children(), (0, 0), "it is taken away with the next child");
        },
    );
}
