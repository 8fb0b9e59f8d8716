//! Nothing is left of a reactor: descriptors, threads, reactor numbers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use evented::net::{UdpSocket, UnixStream, Watch, pipe};
use evented::process::Command;
use evented::signal::{Kind, Signal};
use evented::{Reactor, blocking, join_all, sleep, spawn, yield_now};
use futures_lite::AsyncReadExt;

use crate::support::{
    bounded, descriptors, in_own_process, pair, poll_once, threads, until, until_blocking,
};

/// Uses a bit of everything and leaves most of it unfinished.
fn use_everything() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        for _ in 0..5 {
            let (client, mut server) = pair().await.unwrap();
            spawn(async move {
                let _client = client;
                server.read(&mut [0]).await
            })
            .detach();
            spawn(sleep(Duration::from_hours(1))).detach();
        }
        for _ in 0..3 {
            leave_waiting();
        }
        for result in join_all((0..8).map(|n| spawn(blocking(move || n)))).await {
            result.unwrap().unwrap();
        }
        yield_now().await;
    }));
}

/// Tasks that wait for descriptors of each kind, and for a child, when the reactor ends.
fn leave_waiting() {
    let udp = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    spawn(async move { udp.recv(&mut [0]).await }).detach();
    let (one, other) = UnixStream::pair().unwrap();
    spawn(async move {
        let _other = other;
        (&one).read(&mut [0]).await
    })
    .detach();
    let (mut reader, writer) = pipe().unwrap();
    spawn(async move {
        let _writer = writer;
        reader.read(&mut [0]).await
    })
    .detach();
    let (reader, writer) = std::io::pipe().unwrap();
    spawn(async move {
        let _writer = writer;
        Watch::new(reader).unwrap().readable().await
    })
    .detach();
    let mut signal = Signal::new(Kind::USER2).unwrap();
    spawn(async move { signal.recv().await }).detach();
    let mut sleeper = Command::new("sleep");
    sleeper.arg("1000").kill_on_drop(true);
    spawn(async move { sleeper.status().await }).detach();
}

#[test]
fn descriptors_and_threads_are_at_baseline() {
    in_own_process("leaks::descriptors_and_threads_are_at_baseline", || {
        // The first time may set up things of the process.
        use_everything();
        until_blocking(|| threads() == 2);
        let before = descriptors();
        for _ in 0..20 {
            use_everything();
        }
        assert_eq!(descriptors(), before);
        // A joined thread may be listed a moment longer.
        until_blocking(|| threads() == 2);
    });
}

#[test]
fn more_reactors_than_there_are_numbers() {
    // 4,096 may be alive; these follow each other.
    for n in 0..5_000_u32 {
        let reactor = Reactor::new().unwrap();
        let task = reactor.spawn(async move { n });
        if n % 10 == 0 {
            assert_eq!(reactor.block_on(task).unwrap(), n);
        }
    }
}

#[test]
fn idle_threads_of_the_pool_end() {
    let reactor = Reactor::builder().blocking_keep_alive(Duration::from_millis(1)).build().unwrap();
    reactor.block_on(bounded(async {
        for result in join_all((0..8).map(|n| spawn(blocking(move || n)))).await {
            result.unwrap().unwrap();
        }
        until(|| evented::stats().blocking_threads == 0).await;
        assert_eq!(blocking(|| 5).await.unwrap(), 5);
    }));
}

#[test]
fn closed_connections_leave_no_source() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        for _ in 0..100 {
            let (client, mut server) = pair().await.unwrap();
            let reader = spawn(async move { server.read(&mut [0]).await });
            yield_now().await;
            drop(client);
            assert_eq!(reader.await.unwrap().unwrap(), 0);
        }
        assert_eq!(evented::stats().sources, 0);
        // One that is dropped on another thread tells its reactor.
        let (client, server) = pair().await.unwrap();
        let mut buffer = [0];
        let read = std::pin::pin!(async { (&server).read(&mut buffer).await });
        assert!(evented::timeout(Duration::from_micros(1), read).await.is_err());
        assert_eq!(evented::stats().sources, 2);
        std::thread::spawn(move || drop((client, server))).join().unwrap();
        until(|| evented::stats().sources == 0).await;
    }));
}

#[test]
fn callers_who_give_up_on_a_full_pool_leave_no_waker() {
    struct Quiet;
    impl Wake for Quiet {
        fn wake(self: Arc<Self>) {}
    }
    let reactor = Reactor::builder().blocking_threads(1).blocking_queue(1).build().unwrap();
    reactor.block_on(bounded(async {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut stuck = blocking(move || wait.recv());
        assert!(poll_once(&mut stuck).is_pending());
        until(|| evented::stats().blocking_queued == 0).await;
        let mut queued = blocking(|| ());
        assert!(poll_once(&mut queued).is_pending());
        let counted = Arc::new(Quiet);
        let waker = Waker::from(Arc::clone(&counted));
        for _ in 0..100 {
            let mut outside = blocking(|| ());
            for _ in 0..3 {
                let poll = Pin::new(&mut outside).poll(&mut Context::from_waker(&waker));
                assert!(poll.is_pending());
            }
            assert_eq!(Arc::strong_count(&counted), 3, "it waits in one place");
        }
        assert_eq!(Arc::strong_count(&counted), 2, "nothing is left of those who gave up");
        go.send(()).unwrap();
        stuck.await.unwrap().unwrap();
        queued.await.unwrap();
    }));
}
