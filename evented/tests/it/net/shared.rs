//! Descriptors of which somebody else has a duplicate: closing one of them closes nothing.

use std::net::TcpListener as StdListener;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use evented::net::{PipeReader, TcpListener};
use evented::{Reactor, timeout};
use futures_lite::AsyncReadExt;

use crate::support::{bounded, in_own_process};

/// Descriptors in the poll set of a reactor.
fn watched(reactor: &Reactor) -> usize {
    let fd = reactor.descriptor().unwrap().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    info.lines().filter(|line| line.starts_with("tfd:")).count()
}

/// Waits for a connection in vain.
async fn accept_in_vain(listener: &TcpListener) {
    let accepted = timeout(Duration::from_millis(1), bounded(listener.accept())).await;
    assert!(accepted.is_err(), "{accepted:?}");
}

fn duplicate(listener: &StdListener) -> TcpListener {
    TcpListener::from_std(listener.try_clone().unwrap()).unwrap()
}

/// Numbers of descriptors are a matter of the whole process.
#[test]
fn duplicates_are_watched_one_after_the_other() {
    in_own_process("net::shared::duplicates_are_watched_one_after_the_other", || {
        let reactor = Reactor::new().unwrap();
        let std = StdListener::bind("127.0.0.1:0").unwrap();
        let before = watched(&reactor);
        reactor.block_on(async {
            for _ in 0..3 {
                accept_in_vain(&duplicate(&std)).await;
            }
            let (reader, _writer) = std::io::pipe().unwrap();
            for _ in 0..3 {
                let mut pipe = PipeReader::from_fd(reader.try_clone().unwrap()).unwrap();
                let read = timeout(Duration::from_millis(1), pipe.read(&mut [0])).await;
                assert!(read.is_err(), "{read:?}");
            }
        });
        assert_eq!(watched(&reactor), before, "they have left the poll set");
    });
}

/// Where no reactor can be told, something is left. It is in nobody's way.
#[test]
fn what_is_dropped_outside_of_the_reactor_is_in_nobodys_way() {
    in_own_process("net::shared::what_is_dropped_outside_of_the_reactor_is_in_nobodys_way", || {
        let reactor = Reactor::new().unwrap();
        let std = StdListener::bind("127.0.0.1:0").unwrap();
        let address = std.local_addr().unwrap();
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let listener = duplicate(&std);
            numbers.push(listener.as_fd().as_raw_fd());
            reactor.block_on(accept_in_vain(&listener));
            drop(listener);
        }
        assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
        // The last one hears of connections.
        let listener = duplicate(&std);
        reactor.block_on(async {
            accept_in_vain(&listener).await;
            let _client = std::net::TcpStream::connect(address).unwrap();
            bounded(listener.accept()).await.unwrap();
        });
    });
}
