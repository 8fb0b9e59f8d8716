//! UDP sockets.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use evented::net::UdpSocket;
use evented::{block_on, spawn, timeout, yield_now};

use crate::support::{bounded, until};

fn bound() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[test]
fn datagrams_arrive_whole_with_their_senders() {
    block_on(bounded(async {
        let (one, other) = (bound(), bound());
        let to = other.local_addr().unwrap();
        let receiver = spawn(async move {
            let mut buffer = [0; 64];
            let mut got = Vec::new();
            for _ in 0..3 {
                let (length, from) = other.recv_from(&mut buffer).await.unwrap();
                got.push((buffer[..length].to_vec(), from));
            }
            got
        });
        yield_now().await;
        let from = one.local_addr().unwrap();
        for datagram in [&b"one"[..], b"", b"three"] {
            assert_eq!(one.send_to(datagram, to).await.unwrap(), datagram.len());
        }
        let got = receiver.await.unwrap();
        let wanted = [&b"one"[..], b"", b"three"].map(|datagram| (datagram.to_vec(), from));
        assert_eq!(got, wanted);
    }));
}

#[test]
fn connected_sockets_hear_only_their_peer_and_that_nobody_listens() {
    block_on(bounded(async {
        let (one, other, stranger) = (bound(), bound(), bound());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        stranger.send_to(b"noise", one.local_addr().unwrap()).await.unwrap();
        other.send(b"signal").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(one.recv(&mut buffer).await.unwrap(), 6);
        assert_eq!(&buffer[..6], b"signal");
        drop(other);
        one.send(b"anybody?").await.unwrap();
        let error = one.recv(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }));
}

#[test]
fn trying_does_not_wait_and_peeking_takes_nothing() {
    let (one, other) = (bound(), bound());
    let to = other.local_addr().unwrap();
    let mut buffer = [0; 4];
    // No reactor is needed for this.
    assert_eq!(other.try_recv_from(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(one.try_send_to(b"longer", to).unwrap(), 6);
    block_on(bounded(async {
        assert_eq!(other.peek_from(&mut buffer).await.unwrap().0, 4);
        assert_eq!(other.recv_from(&mut buffer).await.unwrap().0, 4, "the rest is cut off");
        assert_eq!(&buffer, b"long");
        assert_eq!(other.try_recv_from(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let waiting = timeout(Duration::from_millis(1), other.recv_from(&mut buffer)).await;
        assert!(waiting.is_err(), "nothing is left");
        // What was given up has taken nothing.
        one.send_to(b"late", to).await.unwrap();
        assert_eq!(other.recv_from(&mut buffer).await.unwrap().0, 4);
    }));
    assert!(other.into_std().unwrap().local_addr().is_ok());
}

#[test]
fn several_tasks_wait_for_one_socket_and_each_datagram_goes_to_one() {
    block_on(bounded(async {
        let (one, other) = (bound(), Rc::new(bound()));
        let to = other.local_addr().unwrap();
        let receivers: Vec<_> = (0..8)
            .map(|_| {
                let other = Rc::clone(&other);
                spawn(async move {
                    let mut byte = [0];
                    other.recv_from(&mut byte).await.map(|_| byte[0])
                })
            })
            .collect();
        yield_now().await;
        for byte in 0..8 {
            one.send_to(&[byte], to).await.unwrap();
        }
        let mut got = Vec::new();
        for receiver in receivers {
            got.push(receiver.await.unwrap().unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3, 4, 5, 6, 7]);
        drop(other);
        until(|| evented::stats().sources == 0).await;
    }));
}
