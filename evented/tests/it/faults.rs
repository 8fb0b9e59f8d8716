//! What the system refuses.

use std::time::Duration;

use evented::net::{TcpListener, TcpStream};
use evented::{block_on, spawn};
use futures_lite::AsyncReadExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{bounded, in_own_process};

/// Leaves this process `left` descriptors.
fn limit_descriptors(left: usize) {
    let highest = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse::<u64>().unwrap())
        .max()
        .unwrap();
    // The directory listing above used the lowest free number, which is free again.
    let limit = Rlimit { current: Some(highest + left as u64), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn accept_without_descriptors_turns_away_and_does_not_spin() {
    in_own_process("faults::accept_without_descriptors_turns_away_and_does_not_spin", || {
        block_on(bounded(async {
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let mut clients = Vec::new();
            for _ in 0..20 {
                clients.push(std::net::TcpStream::connect(address).unwrap());
            }
            limit_descriptors(1);
            let mut spare = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                spare.push(file);
            }
            let server = spawn(async move {
                let mut refused = 0;
                while refused < 20 {
                    let error = listener.accept().await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(24), "{error}");
                    refused += 1;
                }
                // Nothing is left to be turned away: it waits instead of spinning.
                let before = evented::stats().polls;
                let more = evented::timeout(Duration::from_millis(20), listener.accept()).await;
                assert!(more.is_err());
                assert!(evented::stats().polls - before < 20);
                listener
            });
            let listener = server.await.unwrap();
            // The peers see the end instead of silence.
            for client in clients {
                let mut client = TcpStream::from_std(client).unwrap();
                assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
            }
            drop(spare);
            let client = TcpStream::connect(address).await.unwrap();
            listener.accept().await.unwrap();
            drop(client);
        }));
    });
}

#[test]
fn a_reactor_without_descriptors_is_an_error() {
    in_own_process("faults::a_reactor_without_descriptors_is_an_error", || {
        limit_descriptors(1);
        let mut spare = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            spare.push(file);
        }
        assert!(evented::Reactor::new().is_err());
        drop(spare.pop());
        assert!(evented::Reactor::new().is_err(), "one is not enough");
        spare.clear();
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..getrlimit(Resource::Nofile) })
            .unwrap();
        assert!(evented::Reactor::new().is_ok());
    });
}
