//! Peers that reset, half-close, stall and send garbage, to a server that goes on.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evented::net::{TcpListener, TcpStream};
use evented::{Task, block_on, spawn, timeout, yield_now};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, io::BufReader};

use crate::support::{bounded, descriptors, in_own_process, pair, rounds, until};

/// Longest line that the server takes.
const LINE: u64 = 100;

/// Answers each line, until the peer misbehaves or goes away.
async fn answer(stream: TcpStream, patience: Duration) -> io::Result<()> {
    let mut lines = BufReader::new(&stream);
    loop {
        let mut line = Vec::new();
        let read = timeout(patience, (&mut lines).take(LINE).read_until(b'\n', &mut line)).await;
        let count = read.map_err(io::Error::from)??;
        if count == 0 {
            return (&stream).close().await;
        }
        let text = str::from_utf8(&line).ok().and_then(|text| text.strip_suffix('\n'));
        let text = text.ok_or(io::ErrorKind::InvalidData)?;
        (&stream).write_all(format!("{text}!\n").as_bytes()).await?;
    }
}

/// A server with its address, and the number of connections that have ended.
fn server(patience: Duration) -> (SocketAddr, Rc<Cell<usize>>, Task<()>) {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let ended = Rc::new(Cell::new(0));
    let count = Rc::clone(&ended);
    let task = spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let count = Rc::clone(&count);
            spawn(async move {
                // How it ends is the peer's fault.
                drop(answer(stream, patience).await);
                count.set(count.get() + 1);
            })
            .detach();
        }
    });
    (address, ended, task)
}

async fn is_served(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"hear\n").await.unwrap();
    let mut reply = [0; 6];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"hear!\n");
}

fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// A small generator, so that the garbage is the same each time: Marsaglia's xorshift64.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_server_survives_all_of_them_and_keeps_nothing() {
    in_own_process("net::peers::a_server_survives_all_of_them_and_keeps_nothing", || {
        block_on(bounded(async {
            let (address, ended, task) = server(Duration::from_secs(10));
            is_served(address).await;
            until(|| ended.get() == 1).await;
            let before = descriptors();
            let mut state = 0x9E37_79B9_7F4A_7C15;
            let mut stalled = Vec::new();
            let total = usize::try_from(rounds(60, 2_000)).unwrap();
            for n in 0..total {
                let mut stream = TcpStream::connect(address).await.unwrap();
                match n % 6 {
                    // Gone before a word, and in the middle of one.
                    0 => reset(stream),
                    1 => {
                        stream.write_all(b"half a li").await.unwrap();
                        reset(stream);
                    }
                    // Has said all, and listens.
                    2 => {
                        stream.write_all(b"one\ntwo\n").await.unwrap();
                        stream.close().await.unwrap();
                        let mut replies = String::new();
                        stream.read_to_string(&mut replies).await.unwrap();
                        assert_eq!(replies, "one!\ntwo!\n");
                    }
                    // Says nothing more, for ever.
                    3 => {
                        stream.write_all(b"and").await.unwrap();
                        stalled.push(stream);
                    }
                    // Bytes that mean nothing, in any number.
                    4 => {
                        let count = next(&mut state) % 10_000;
                        let bytes: Vec<u8> =
                            (0..count).map(|_| next(&mut state).to_le_bytes()[0] | 0x80).collect();
                        // It may be cut off before all of it is written.
                        drop(stream.write_all(&bytes).await);
                    }
                    // Asks without listening, and goes with the answers unread.
                    _ => stream.write_all(&b"x\n".repeat(200)).await.unwrap(),
                }
            }
            is_served(address).await;
            until(|| ended.get() == total + 2).await;
            for mut stream in stalled {
                let end = stream.read(&mut [0]).await;
                assert!(matches!(end, Ok(0) | Err(_)), "it was given up");
            }
            until(|| descriptors() == before && evented::stats().sources == 1).await;
            assert!(task.cancel().await.is_err());
        }));
    });
}

#[test]
fn a_writer_learns_of_a_reset() {
    block_on(bounded(async {
        let (client, server) = pair().await.unwrap();
        let filling = spawn(async move {
            // It waits for room sooner or later.
            loop {
                if let Err(error) = (&server).write_all(&vec![0; 1 << 20]).await {
                    return error;
                }
            }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        reset(client);
        let kind = filling.await.unwrap().kind();
        assert!(
            matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
            "{kind}"
        );
    }));
}
