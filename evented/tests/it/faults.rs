//! What the system refuses.

use std::net::SocketAddr;
use std::time::Duration;

use evented::cores::{Balance, Cores};
use evented::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use evented::protocol::{Protocol, Transport};
use evented::{Class, Spawn, block_on, sleep, spawn, spawn_with};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{bounded, in_own_process, until};

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
                // Nothing is left to be turned away: it waits, and says nothing.
                let before = evented::stats().polls;
                let more = evented::timeout(Duration::from_millis(200), listener.accept()).await;
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
        let panic = std::panic::catch_unwind(|| block_on(async {})).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.starts_with("no reactor could be built") && text.contains("(os error 24)"));
        drop(spare.pop());
        assert!(evented::Reactor::new().is_err(), "one is not enough");
        spare.clear();
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..getrlimit(Resource::Nofile) })
            .unwrap();
        assert!(evented::Reactor::new().is_ok());
    });
}

/// Takes all descriptors that this process may have.
fn take_all_descriptors() -> Vec<std::fs::File> {
    limit_descriptors(1);
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

#[test]
fn a_unix_listener_without_descriptors_turns_away_and_does_not_spin() {
    in_own_process(
        "faults::a_unix_listener_without_descriptors_turns_away_and_does_not_spin",
        || {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("socket");
            block_on(bounded(async {
                let listener = UnixListener::bind(&path).unwrap();
                let clients: Vec<_> = (0..20)
                    .map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap())
                    .collect();
                let spare = take_all_descriptors();
                for _ in 0..20 {
                    let error = listener.accept().await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(24), "{error}");
                }
                // Nothing is left to be turned away: it waits, and says nothing.
                let before = evented::stats().polls;
                let more = evented::timeout(Duration::from_millis(200), listener.accept()).await;
                assert!(more.is_err());
                assert!(evented::stats().polls - before < 20);
                for client in clients {
                    let mut client = UnixStream::from_std(client).unwrap();
                    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
                }
                drop(spare);
                let _client = UnixStream::connect(&path).await.unwrap();
                listener.accept().await.unwrap();
            }));
        },
    );
}

/// Clients of a server that sends back what comes, while there is one descriptor for the client and none for the other
/// end, and afterwards.
///
/// No other listener may be there: each gives up its reserve for a moment to see whether somebody waits, and the
/// other one would have it.
async fn turns_away_and_goes_on(address: SocketAddr) {
    // What begins with the first connections opens files and closes them.
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
        kept.push(client);
    }
    let left = std::fs::File::open("/dev/null").unwrap();
    let spare = take_all_descriptors();
    drop(left);
    for _ in 0..5 {
        let mut client = TcpStream::connect(address).await.unwrap();
        drop(client.write_all(b"x").await);
        assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)), "turned away");
    }
    drop(spare);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"x").await.unwrap();
    client.read_exact(&mut [0]).await.unwrap();
}

#[test]
fn a_server_goes_on_after_it_had_no_descriptors() {
    /// Sends back what comes.
    struct Echo(Option<Transport>);
    impl Protocol for Echo {
        fn connection_made(&mut self, transport: &Transport) {
            self.0 = Some(transport.clone());
        }
        fn data_received(&mut self, data: &[u8]) {
            self.0.as_ref().unwrap().write(data);
        }
    }
    in_own_process("faults::a_server_goes_on_after_it_had_no_descriptors", || {
        block_on(bounded(async {
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let server = evented::protocol::serve(listener, || Echo(None));
            turns_away_and_goes_on(address).await;
            until(|| server.connections() == 0).await;
        }));
    });
}

#[test]
fn servers_go_on_after_they_had_no_descriptors() {
    in_own_process("faults::servers_go_on_after_they_had_no_descriptors", || {
        let cores = Cores::builder().count(2).build().unwrap();
        let echo = |stream: TcpStream, _| async move {
            drop(futures_lite::io::copy(&stream, &mut &stream).await);
        };
        // One of the loops has the only listener.
        let address = "127.0.0.1:0".parse().unwrap();
        let address = cores.serve(address, Balance::Fewest, echo).unwrap();
        block_on(bounded(turns_away_and_goes_on(address)));
        assert!(cores.shutdown(Duration::from_secs(10)).failures.is_empty());
    });
}

/// Each rank has a poll set of its own, for which there is no descriptor: that costs urgency, and no call fails.
#[test]
fn waits_of_other_ranks_without_descriptors() {
    in_own_process("faults::waits_of_other_ranks_without_descriptors", || {
        block_on(bounded(async {
            let (mut boosted, first) = UnixStream::pair().unwrap();
            let (mut urgent, second) = UnixStream::pair().unwrap();
            let _spare = take_all_descriptors();
            let boosted = spawn(async move {
                let mut byte = [0];
                boosted.read_exact(&mut byte).await.map(|()| byte)
            });
            sleep(Duration::from_millis(1)).await;
            // It waits, and somebody more urgent waits for it, and for a descriptor.
            let urgent = spawn_with(Spawn::new().class(Class::RT), async move {
                let mut byte = [0];
                urgent.read_exact(&mut byte).await.unwrap();
                (byte, boosted.await.unwrap().unwrap())
            });
            sleep(Duration::from_millis(1)).await;
            (&second).write_all(b"2").await.unwrap();
            sleep(Duration::from_millis(1)).await;
            (&first).write_all(b"1").await.unwrap();
            assert_eq!(urgent.await.unwrap(), (*b"2", *b"1"));
        }));
    });
}
