//! The first things anybody would try.

use std::io;
use std::time::{Duration, Instant};

use evented::net::{TcpListener, TcpStream};
use evented::{Reactor, block_on, blocking, sleep, spawn};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_task_returns_its_result() {
    let result = block_on(async { spawn(async { 6 * 7 }).await });
    assert_eq!(result.unwrap(), 42);
}

#[test]
fn a_sleep_is_never_early() {
    block_on(async {
        for micros in [0, 1, 300, 999, 1_000, 1_500, 2_001, 5_300] {
            let duration = Duration::from_micros(micros);
            let start = Instant::now();
            sleep(duration).await;
            assert!(start.elapsed() >= duration, "{duration:?}");
        }
    });
}

#[test]
fn a_closure_runs_on_another_thread() {
    let here = std::thread::current().id();
    let there = block_on(blocking(|| std::thread::current().id())).unwrap();
    assert_ne!(here, there);
}

#[test]
fn bytes_go_through_a_connection() -> io::Result<()> {
    let reactor = Reactor::new()?;
    reactor.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
        let address = listener.local_addr()?;
        let server = spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut request = String::new();
            stream.read_to_string(&mut request).await?;
            stream.write_all(request.to_uppercase().as_bytes()).await?;
            stream.close().await
        });
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"hello").await?;
        stream.close().await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        assert_eq!(reply, "HELLO");
        server.await.unwrap()
    })
}
