//! TCP: many connections, half close, reset, back-pressure, moving between reactors. The other kinds of
//! descriptors in the modules below.

mod happy;
mod peers;
mod pipe;
mod readiness;
mod shared;
mod udp;
mod unix;
mod watch;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use evented::net::{TcpListener, TcpStream};
use evented::{TaskGroup, block_on, join_all, sleep, spawn, timeout, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt, io::split};

use crate::support::{bounded, nobody, pair, until};

/// Counts how often `future` is polled and not ready.
async fn count_waits<F: Future>(future: F, waits: Rc<Cell<u32>>) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        let poll = future.as_mut().poll(cx);
        waits.set(waits.get() + u32::from(poll.is_pending()));
        poll
    })
    .await
}

#[test]
fn two_hundred_connections_echo() {
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move {
            let mut group = TaskGroup::new();
            for _ in 0..200 {
                let (stream, _) = listener.accept().await.unwrap();
                group.spawn(async move {
                    futures_lite::io::copy(&stream, &mut &stream).await.unwrap();
                    (&stream).close().await.unwrap();
                });
            }
            while let Some(result) = group.next().await {
                result.unwrap();
            }
        });
        let clients = (0..200_u32).map(|n| {
            spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for round in 0..10_u32 {
                    let sent = (n * 1_000 + round).to_be_bytes();
                    stream.write_all(&sent).await.unwrap();
                    let mut got = [0; 4];
                    stream.read_exact(&mut got).await.unwrap();
                    assert_eq!(got, sent);
                }
            })
        });
        for result in join_all(clients).await {
            result.unwrap();
        }
        server.await.unwrap();
    }));
}

#[test]
fn large_writes_feel_back_pressure() {
    const SIZE: usize = 16 << 20;
    block_on(bounded(async {
        let (client, mut server) = pair().await.unwrap();
        let waits = Rc::new(Cell::new(0));
        let count = Rc::clone(&waits);
        let writer = spawn(async move {
            let data: Vec<u8> = (0..SIZE).map(|n| n.to_le_bytes()[1]).collect();
            count_waits((&client).write_all(&data), count).await.unwrap();
            (&client).close().await.unwrap();
        });
        until(|| waits.get() > 0 || writer.is_finished()).await;
        assert!(!writer.is_finished(), "16 MiB do not fit into the kernel's buffers");
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), SIZE);
        assert!(got.iter().enumerate().all(|(n, &byte)| byte == n.to_le_bytes()[1]));
        writer.await.unwrap();
    }));
}

#[test]
fn half_close_lets_the_other_direction_live() {
    block_on(bounded(async {
        let (mut client, mut server) = pair().await.unwrap();
        client.write_all(b"last words").await.unwrap();
        client.close().await.unwrap();
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"last words");
        server.write_all(b"heard").await.unwrap();
        drop(server);
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).await.unwrap();
        assert_eq!(reply, b"heard");
        client.close().await.unwrap();
    }));
}

#[test]
fn data_and_end_that_come_together_are_both_seen() {
    block_on(bounded(async {
        for _ in 0..200 {
            let (mut client, mut server) = pair().await.unwrap();
            let reader = spawn(async move {
                let mut buffer = [0; 64];
                // The first read waits, so the stream is registered; the second one is short.
                let first = server.read(&mut buffer).await.unwrap();
                let second = server.read(&mut buffer).await.unwrap();
                (first, second)
            });
            yield_now().await;
            client.write_all(b"x").await.unwrap();
            client.close().await.unwrap();
            assert_eq!(reader.await.unwrap(), (1, 0));
        }
    }));
}

#[test]
fn a_reset_is_an_error_of_the_reader() {
    block_on(bounded(async {
        let (client, mut server) = pair().await.unwrap();
        let reader = spawn(async move {
            let mut buffer = [0; 16];
            server.read(&mut buffer).await
        });
        yield_now().await;
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_eq!(reader.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }));
}

#[test]
fn shutdown_wakes_a_waiting_reader() {
    block_on(bounded(async {
        let (client, _server) = pair().await.unwrap();
        let client = Rc::new(client);
        let reading = Rc::clone(&client);
        let reader = spawn(async move {
            let mut buffer = [0; 16];
            (&*reading).read(&mut buffer).await
        });
        yield_now().await;
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), 0);
    }));
}

#[test]
fn one_task_reads_while_another_writes() {
    block_on(bounded(async {
        let (client, server) = pair().await.unwrap();
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
        let echo = spawn(async move { futures_lite::io::copy(&server, &mut &server).await });
        let (mut read, mut write) = split(client);
        let writer = spawn(async move {
            for byte in 0..=255 {
                write.write_all(&[byte]).await.unwrap();
            }
            write.close().await.unwrap();
            write
        });
        for expected in 0..=255 {
            let mut byte = [0];
            read.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [expected]);
        }
        drop((writer.await.unwrap(), read));
        assert_eq!(echo.await.unwrap().unwrap(), 256);
    }));
}

#[test]
fn several_tasks_accept_from_one_listener() {
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = Rc::new(listener);
        let address = listener.local_addr().unwrap();
        let mut group = TaskGroup::new();
        for _ in 0..40 {
            let listener = Rc::clone(&listener);
            group.spawn(async move { listener.accept().await.map(drop) });
        }
        yield_now().await;
        for _ in 0..40 {
            TcpStream::connect(address).await.unwrap();
        }
        while let Some(result) = group.next().await {
            result.unwrap().unwrap();
        }
    }));
}

#[test]
fn a_crowd_that_waits_for_one_listener_lets_the_reactor_sleep() {
    const CROWD: u32 = 300;
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = Rc::new(listener);
        let waits = Rc::new(Cell::new(0));
        let mut group = TaskGroup::new();
        for _ in 0..CROWD {
            let (listener, waits) = (Rc::clone(&listener), Rc::clone(&waits));
            group.spawn(async move { count_waits(listener.accept(), waits).await.map(drop) });
        }
        until(|| waits.get() >= CROWD).await;
        let before = waits.get();
        // That the reactor sleeps is what is tested here; each of these is a poll of this future only.
        for _ in 0..20 {
            sleep(Duration::from_micros(300)).await;
        }
        assert_eq!(waits.get(), before, "nothing happens, but tasks are polled");
    }));
}

#[test]
fn waiters_that_gave_up_do_not_pile_up_or_block_others() {
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Rc::new(listener);
        for _ in 0..200 {
            let listener = Rc::clone(&listener);
            let gives_up = spawn(async move {
                timeout(Duration::from_micros(1), listener.accept()).await.is_err()
            });
            assert!(gives_up.await.unwrap());
        }
        let accepts = spawn(async move { listener.accept().await });
        yield_now().await;
        TcpStream::connect(address).await.unwrap();
        accepts.await.unwrap().unwrap();
    }));
}

#[test]
fn a_connection_that_is_given_up_leaves_nothing() {
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..50 {
            let mut connect = Box::pin(TcpStream::connect(address));
            assert!(crate::support::poll_once(&mut connect).is_pending());
            assert_eq!(evented::stats().sources, 1);
            drop(connect);
            assert_eq!(evented::stats().sources, 0);
        }
        // The number of the descriptor and the place of the source are used again.
        let stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    }));
}

#[test]
fn nobody_listens() {
    block_on(bounded(async {
        let (_kept, address) = nobody();
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = TcpStream::connect_host(address.to_string()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }));
}

#[test]
fn a_stream_moves_between_reactors_before_it_waits_and_through_std_after() {
    block_on(bounded(async {
        let (client, server) = pair().await.unwrap();
        // The server's end has not waited yet: it may be used anywhere.
        let (waits, it_waits) = evented::sync::oneshot::channel();
        let other = std::thread::spawn(move || {
            block_on(bounded(async move {
                let reader = spawn(async move {
                    let mut byte = [0];
                    (&server).read_exact(&mut byte).await.unwrap();
                    (byte, server)
                });
                yield_now().await;
                waits.send(()).unwrap();
                reader.await.unwrap()
            }))
        });
        it_waits.await.unwrap();
        (&client).write_all(b"a").await.unwrap();
        let (byte, server) = evented::blocking(move || other.join().unwrap()).await.unwrap();
        assert_eq!(byte, *b"a");
        // Its reactor is gone by now; it waited there.
        let mut byte = [0];
        assert!((&server).read(&mut byte).await.is_err());
        let server = TcpStream::from_std(server.into_std().unwrap()).unwrap();
        (&client).write_all(b"b").await.unwrap();
        (&server).read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"b");
    }));
}

#[test]
fn a_socket_that_is_always_readable_starves_nothing() {
    block_on(bounded(async {
        let (client, server) = pair().await.unwrap();
        (&client).write_all(&vec![1; 60_000]).await.unwrap();
        let reader = spawn(async move {
            let mut byte = [0];
            loop {
                // `peek` is always ready: only the budget makes this loop yield.
                server.peek(&mut byte).await.unwrap();
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(reader.cancel().await.is_err());
    }));
}
