//! Signals. They are a matter of the whole process, so each test has one of its own.

use std::io;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use evented::process::Command;
use evented::signal::{Kind, Signal, end_requested};
use evented::{Reactor, block_on, spawn, timeout, yield_now};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::raise;

use crate::support::{bounded, descriptors, in_own_process, rounds, until};

/// Sends one to this thread: the handler has run when this returns.
fn send(signal: i32) {
    raise(signal).unwrap();
}

/// Whether one comes within a short time.
async fn comes(signal: &mut Signal) -> bool {
    timeout(Duration::from_millis(5), signal.recv()).await.is_ok()
}

#[test]
fn what_comes_between_two_waits_is_kept_and_coalesces() {
    in_own_process("signal::what_comes_between_two_waits_is_kept_and_coalesces", || {
        block_on(bounded(async {
            let (mut one, mut other) =
                (Signal::new(Kind::USER1).unwrap(), Signal::new(Kind::USER2).unwrap());
            // Before the first wait.
            send(SIGUSR1);
            one.recv().await.unwrap();
            assert!(!comes(&mut one).await && !comes(&mut other).await);
            // After a wait that was given up.
            for _ in 0..100 {
                send(SIGUSR1);
            }
            one.recv().await.unwrap();
            assert!(!comes(&mut one).await, "they coalesce");
            // While it waits.
            let waiter = spawn(async move {
                one.recv().await.unwrap();
                one
            });
            yield_now().await;
            send(SIGUSR1);
            let mut one = waiter.await.unwrap();
            assert!(!one.try_recv());
            send(SIGUSR1);
            until(|| one.try_recv()).await;
            assert!(!one.try_recv() && !comes(&mut one).await);
            assert_eq!(format!("{:?}", one.kind()), "SIGUSR1");
        }));
    });
}

#[test]
fn each_of_several_reactors_hears_of_each_signal() {
    in_own_process("signal::each_of_several_reactors_hears_of_each_signal", || {
        let heard = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || {
                    block_on(bounded(async {
                        let mut first = Signal::new(Kind::USER1).unwrap();
                        let mut second = Signal::new(Kind::USER1).unwrap();
                        for _ in 0..rounds(20, 2_000) {
                            heard.wait();
                            first.recv().await.unwrap();
                            second.recv().await.unwrap();
                            heard.wait();
                        }
                    }));
                })
            })
            .collect();
        for _ in 0..rounds(20, 2_000) {
            heard.wait();
            send(SIGUSR1);
            heard.wait();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn dropped_ones_leave_nothing_but_the_handler() {
    in_own_process("signal::dropped_ones_leave_nothing_but_the_handler", || {
        block_on(bounded(async {
            drop(Signal::new(Kind::TERMINATE).unwrap());
            let before = descriptors();
            for _ in 0..50 {
                let mut signal = Signal::new(Kind::TERMINATE).unwrap();
                assert!(timeout(Duration::from_micros(1), signal.recv()).await.is_err());
            }
            assert_eq!((descriptors(), evented::stats().sources), (before, 0));
            // The default action is gone for good.
            send(SIGTERM);
            let mut signal = Signal::new(Kind::TERMINATE).unwrap();
            assert!(!comes(&mut signal).await, "it came before");
            send(SIGTERM);
            signal.recv().await.unwrap();
        }));
    });
}

#[test]
fn signals_that_cannot_be_waited_for_are_refused() {
    for number in [9, 19, 11, 4, 8, 0, -1, 1000] {
        let error = Signal::new(Kind::from_raw(number)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{number}");
    }
}

#[test]
fn children_find_the_signals_as_they_should_be() {
    in_own_process("signal::children_find_the_signals_as_they_should_be", || {
        block_on(bounded(async {
            let _signals = [Kind::INTERRUPT, Kind::TERMINATE, Kind::USER1]
                .map(|kind| Signal::new(kind).unwrap());
            let output = Command::new("cat").arg("/proc/self/status").output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            for name in ["SigBlk", "SigCgt"] {
                let line = text.lines().find(|line| line.starts_with(name)).unwrap();
                assert!(line.ends_with("0000000000000000"), "{line}");
            }
            // One that is asked to end does.
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            child.signal(Kind::TERMINATE).unwrap();
            let status = child.wait().await.unwrap();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
        }));
    });
}

#[test]
fn a_request_to_end() {
    in_own_process("signal::a_request_to_end", || {
        block_on(bounded(async {
            for (number, kind) in [(SIGINT, Kind::INTERRUPT), (SIGTERM, Kind::TERMINATE)] {
                let mut wait = Box::pin(end_requested());
                assert!(crate::support::poll_once(&mut wait).is_pending());
                send(number);
                assert_eq!(wait.await.unwrap(), kind);
            }
        }));
    });
}

#[test]
fn it_may_be_waited_for_elsewhere_once_its_reactor_is_gone() {
    in_own_process("signal::it_may_be_waited_for_elsewhere_once_its_reactor_is_gone", || {
        let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
        let mut signal = Signal::new(Kind::USER1).unwrap();
        assert!(!first.block_on(comes(&mut signal)));
        let error = second.block_on(bounded(signal.recv())).unwrap_err();
        assert!(error.to_string().contains("another reactor"), "{error}");
        // What comes in between is not lost.
        send(SIGUSR1);
        drop(first);
        second.block_on(bounded(signal.recv())).unwrap();
        // From here on it belongs to the second one.
        let third = Reactor::new().unwrap();
        assert!(!second.block_on(comes(&mut signal)));
        assert!(third.block_on(bounded(signal.recv())).is_err());
    });
}
