//! Unix sockets.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use evented::net::{UnixDatagram, UnixListener, UnixStream};
use evented::{TaskGroup, block_on, join_all, spawn, timeout, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::support::bounded;

#[test]
fn a_hundred_connections_echo() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    block_on(bounded(async {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let server = spawn(async move {
            let mut group = TaskGroup::new();
            for _ in 0..100 {
                let (stream, _) = listener.accept().await.unwrap();
                group.spawn(async move {
                    futures_lite::io::copy(&stream, &mut &stream).await.unwrap();
                    (&stream).close().await.unwrap();
                });
            }
            while let Some(result) = group.next().await {
                result.unwrap();
            }
            listener
        });
        let clients = (0..100_u32).map(|n| {
            let path = path.clone();
            spawn(async move {
                let mut stream = UnixStream::connect(&path).await.unwrap();
                // More than fits into the buffers of a socket.
                let sent: Vec<u8> = (0..300_000_u32).map(|k| (k + n).to_le_bytes()[0]).collect();
                let write = async {
                    (&stream).write_all(&sent).await?;
                    (&stream).close().await
                };
                let mut got = Vec::new();
                let read = async { (&stream).read_to_end(&mut got).await };
                futures_lite::future::try_zip(write, read).await.unwrap();
                assert!(got == sent, "what comes back is what was sent");
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            })
        });
        for result in join_all(clients).await {
            result.unwrap();
        }
        let listener = server.await.unwrap();
        // The file stays, and keeps the name taken, until somebody removes it.
        drop(listener);
        let error = UnixListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }));
}

#[test]
fn half_close_reset_and_shutdown() {
    block_on(bounded(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"last words").await.unwrap();
        one.close().await.unwrap();
        let mut got = Vec::new();
        other.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"last words");
        other.write_all(b"heard").await.unwrap();
        drop(other);
        let mut reply = Vec::new();
        one.read_to_end(&mut reply).await.unwrap();
        assert_eq!(reply, b"heard");
        one.close().await.unwrap();

        // A peer that goes with data unread resets the connection.
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"unread").await.unwrap();
        drop(other);
        assert_eq!(one.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

        let (one, _other) = UnixStream::pair().unwrap();
        let one = std::rc::Rc::new(one);
        let reading = std::rc::Rc::clone(&one);
        let reader = spawn(async move { (&*reading).read(&mut [0]).await });
        yield_now().await;
        one.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), 0);
    }));
}

#[test]
fn connecting_waits_for_room_in_the_listeners_queue() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    block_on(bounded(async {
        let std = std::os::unix::net::UnixListener::bind(&path).unwrap();
        rustix::net::listen(&std, 0).unwrap();
        let listener = UnixListener::from_std(std).unwrap();
        let first = UnixStream::connect(&path).await.unwrap();
        // The queue has one place, which is taken.
        let second = timeout(Duration::from_millis(20), UnixStream::connect(&path)).await;
        assert!(second.is_err(), "it waits instead of failing");
        let path = path.clone();
        let second = spawn(async move { UnixStream::connect(&path).await });
        yield_now().await;
        listener.accept().await.unwrap();
        let second = second.await.unwrap().unwrap();
        listener.accept().await.unwrap();
        drop((first, second));
    }));
}

#[test]
fn trying_does_not_wait() {
    let (one, other) = UnixStream::pair().unwrap();
    let mut buffer = [0; 8];
    assert_eq!(one.try_read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(other.try_write(b"now").unwrap(), 3);
    assert_eq!(one.try_read(&mut buffer).unwrap(), 3);
    let full = std::iter::repeat_with(|| one.try_write(&[0; 4096])).find(Result::is_err).unwrap();
    assert_eq!(full.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
    assert_eq!(listener.try_accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn datagrams_arrive_whole_and_a_full_queue_is_waited_for() {
    // More than a queue has room for, and more than the bytes that may be on their way to it.
    const MANY: u32 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    block_on(bounded(async {
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"by path", &path).await.unwrap();
        let mut buffer = [0; 64];
        let (length, from) = receiver.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from.is_unnamed()), (&b"by path"[..], true));

        // Full for one that is not connected.
        let full = spawn(async move {
            for _ in 0..MANY {
                sender.send_to(b"fill", &path).await.unwrap();
            }
            (sender, path)
        });
        for _ in 0..MANY {
            assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 4);
        }
        let (sender, path) = full.await.unwrap();

        sender.connect(&path).unwrap();
        assert_eq!(sender.peer_addr().unwrap().as_pathname(), Some(&*path));
        let sends = spawn(async move {
            for n in 0..MANY {
                sender.send(&n.to_be_bytes()).await.unwrap();
            }
            sender
        });
        // It comes to a halt: the queue is much shorter than that.
        assert!(timeout(Duration::from_millis(5), std::future::pending::<()>()).await.is_err());
        assert!(!sends.is_finished());
        for n in 0..MANY {
            let length = receiver.recv(&mut buffer).await.unwrap();
            assert_eq!(buffer[..length], n.to_be_bytes());
        }
        let sender = sends.await.unwrap();
        assert_eq!(receiver.try_recv(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(receiver);
        assert!(sender.send(b"anybody?").await.is_err());
        let (one, other) = UnixDatagram::pair().unwrap();
        one.send(b"x").await.unwrap();
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 1);
    }));
}
