//! Servers whose connections are protocols.

use std::time::Duration;

use evented::block_on;
use evented::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use evented::protocol::{Server, Transport, serve};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::Noting;
use crate::support::{bounded, until};

/// A server whose protocols echo.
fn echoing() -> Noting {
    Noting { on_data: Some(Transport::write), ..Noting::default() }
}

#[test]
fn a_server_over_tcp_and_over_unix_sockets() {
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener, echoing);
        let mut clients = Vec::new();
        for n in 0..50_u8 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(&[n]).await.unwrap();
            clients.push(client);
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let mut byte = [0];
            client.read_exact(&mut byte).await.unwrap();
            assert_eq!(usize::from(byte[0]), n);
        }
        assert_eq!(server.connections(), 50);
        drop(clients);
        until(|| server.connections() == 0).await;
        server.close();
        until(|| evented::stats().tasks == 0).await;
        assert!(TcpStream::connect(address).await.is_err());

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _server: Server = serve(UnixListener::bind(&path).unwrap(), echoing);
        let mut client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
    }));
}

#[test]
fn a_server_ends_in_good_order() {
    block_on(bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener, || Noting {
            on_data: Some(|transport, data| {
                transport.write(data);
                if data == b"much" {
                    transport.write(&vec![0; 32 << 20]);
                }
            }),
            ..Noting::default()
        });
        let mut quick = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        for (client, text) in [(&mut quick, b"some"), (&mut slow, b"much")] {
            client.write_all(text).await.unwrap();
            client.read_exact(&mut [0; 4]).await.unwrap();
        }
        // One does not read what it is sent: it is cut off in the end.
        let ended = server.shutdown(Duration::from_secs(2)).await;
        assert_eq!((ended.aborted, ended.failure.is_none()), (1, true));
        assert_eq!(quick.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(evented::stats().tasks, 0);
        assert!(TcpStream::connect(address).await.is_err());
    }));
}

/// What makes the protocols panics: nobody accepts any more, and that is heard.
#[test]
fn a_server_whose_protocols_cannot_be_made() {
    block_on(bounded(async {
        for by_shutdown in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let mut made = 0;
            let server = serve(listener, move || {
                made += 1;
                assert!(made < 2, "no second one");
                echoing()
            });
            let mut first = TcpStream::connect(address).await.unwrap();
            first.write_all(b"x").await.unwrap();
            first.read_exact(&mut [0]).await.unwrap();
            let mut second = TcpStream::connect(address).await.unwrap();
            assert!(matches!(second.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed");
            assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
            // The first one goes on.
            first.write_all(b"y").await.unwrap();
            first.read_exact(&mut [0]).await.unwrap();
            let failure = if by_shutdown {
                let ended = server.shutdown(Duration::from_secs(10)).await;
                assert_eq!(ended.aborted, 0);
                ended.failure.unwrap()
            } else {
                server.await
            };
            assert!(failure.to_string().contains("panicked: no second one"), "{failure}");
        }
        assert_eq!(evented::stats().panics, 2);
    }));
}
