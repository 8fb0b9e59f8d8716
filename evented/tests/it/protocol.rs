//! Protocols: which methods are called, when, and how often.

mod servers;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use evented::net::TcpStream;
use evented::protocol::{Protocol, Transport, attach};
use evented::{Reactor, block_on, sleep, yield_now};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::support::{bounded, pair, until};

/// What was called.
type Log = Rc<RefCell<Vec<String>>>;

/// Notes each call, and does what it was told to.
#[derive(Default)]
struct Noting {
    log: Log,
    /// The text of the reason that `connection_lost` was told.
    why: Rc<RefCell<String>>,
    transport: Rc<RefCell<Option<Transport>>>,
    /// Called with each piece of data.
    on_data: Option<fn(&Transport, &[u8])>,
    /// What `eof_received` answers.
    keeps_open: bool,
    /// The method that panics.
    panics_in: &'static str,
}

impl Noting {
    fn note(&self, call: String) {
        let panics = !self.panics_in.is_empty() && call.starts_with(self.panics_in);
        self.log.borrow_mut().push(call);
        assert!(!panics, "on purpose");
    }

    fn transport(&self) -> Transport {
        self.transport.borrow().clone().unwrap()
    }
}

impl Protocol for Noting {
    fn connection_made(&mut self, transport: &Transport) {
        *self.transport.borrow_mut() = Some(transport.clone());
        self.note("made".into());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.note(format!("data {}", String::from_utf8_lossy(data)));
        if let Some(on_data) = self.on_data {
            on_data(&self.transport(), data);
        }
    }

    fn eof_received(&mut self) -> bool {
        self.note("eof".into());
        self.keeps_open
    }

    fn connection_lost(&mut self, reason: Option<io::Error>) {
        // Writes do nothing any more, and harm nobody.
        self.transport().write(b"into the void");
        assert_eq!(self.transport().unsent(), 0);
        *self.why.borrow_mut() = reason.as_ref().map_or_else(String::new, ToString::to_string);
        self.note(format!("lost {:?}", reason.map(|reason| reason.kind())));
    }

    fn pause_writing(&mut self) {
        self.note("pause".into());
    }

    fn resume_writing(&mut self) {
        self.note("resume".into());
    }
}

/// A protocol on one end of a connection, and the other end.
async fn attached(protocol: Noting) -> (Transport, Log, TcpStream) {
    let (client, server) = pair().await.unwrap();
    let log = Rc::clone(&protocol.log);
    (attach(server, protocol), log, client)
}

fn calls(log: &Log) -> Vec<String> {
    log.borrow().clone()
}

async fn is_lost(log: &Log) {
    until(|| log.borrow().last().is_some_and(|call| call.starts_with("lost"))).await;
}

#[test]
fn calls_come_in_order_and_the_end_once_after_the_last_data() {
    block_on(bounded(async {
        let (transport, log, mut client) = attached(Noting::default()).await;
        assert!(calls(&log).is_empty(), "not inside of `attach`");
        client.write_all(b"one").await.unwrap();
        until(|| log.borrow().len() == 2).await;
        // Data and the end together.
        client.write_all(b"two").await.unwrap();
        drop(client);
        is_lost(&log).await;
        assert_eq!(calls(&log), ["made", "data one", "data two", "eof", "lost None"]);
        // Nothing comes after that, whatever is asked for.
        transport.write(b"late");
        transport.write_eof();
        transport.resume_reading();
        transport.close();
        transport.abort();
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(log.borrow().len(), 5);
        assert!(transport.is_closing());
        assert_eq!(evented::stats().tasks, 0, "its task is over");
    }));
}

#[test]
fn a_reset_is_the_reason_and_comes_after_the_data() {
    block_on(bounded(async {
        let (_transport, log, mut client) = attached(Noting::default()).await;
        client.write_all(b"last words").await.unwrap();
        until(|| log.borrow().len() == 2).await;
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        drop(client);
        is_lost(&log).await;
        assert_eq!(calls(&log), ["made", "data last words", "lost Some(ConnectionReset)"]);
    }));
}

#[test]
fn closing_sends_what_was_written_and_aborting_does_not() {
    block_on(bounded(async {
        let large = vec![b'x'; 8 << 20];
        let (transport, log, mut client) = attached(Noting::default()).await;
        yield_now().await;
        transport.write(&large);
        transport.close();
        transport.write(b"too late");
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), large.len());
        is_lost(&log).await;
        assert_eq!(calls(&log).last().unwrap(), "lost None");

        let (transport, log, mut client) = attached(Noting::default()).await;
        transport.write(&large);
        until(|| log.borrow().len() == 2).await;
        assert_eq!(calls(&log), ["made", "pause"]);
        // While the rest is sent, nothing is received.
        transport.close();
        client.write_all(b"ignored").await.unwrap();
        sleep(Duration::from_millis(5)).await;
        assert_eq!(calls(&log), ["made", "pause"]);
        transport.abort();
        is_lost(&log).await;
        got.clear();
        // The end, or a reset: but not all of it.
        drop(client.read_to_end(&mut got).await);
        assert!(got.len() < large.len());
        assert_eq!(calls(&log), ["made", "pause", "lost None"]);
    }));
}

#[test]
fn writing_is_paused_and_resumed_in_turns() {
    block_on(bounded(async {
        let (transport, log, mut client) = attached(Noting::default()).await;
        // Or the system may take all of a round, as its buffers grow with what is read.
        rustix::net::sockopt::set_socket_recv_buffer_size(&client, 1 << 16).unwrap();
        transport.set_write_limits(1_000, 1_000_000);
        yield_now().await;
        let mut total = 0;
        for round in 1..=3 {
            let before = log.borrow().len();
            transport.write(&vec![0; 8 << 20]);
            assert_eq!(log.borrow().len(), before, "not inside of `write`");
            until(|| log.borrow().len() > before).await;
            assert_eq!(log.borrow().last().unwrap(), "pause");
            let mut buffer = vec![0; 1 << 20];
            // All of it may be here before the protocol hears of that.
            while total < round * (8 << 20) && log.borrow().last().unwrap() == "pause" {
                total += client.read(&mut buffer).await.unwrap();
            }
            until(|| log.borrow().last().unwrap() == "resume").await;
            assert!(transport.unsent() <= 1_000);
        }
        transport.close();
        let mut rest = Vec::new();
        total += client.read_to_end(&mut rest).await.unwrap();
        is_lost(&log).await;
        assert_eq!(total, 3 * (8 << 20));
        let wanted = ["made", "pause", "resume", "pause", "resume", "pause", "resume", "lost None"];
        assert_eq!(calls(&log), wanted);
    }));
}

#[test]
fn half_closed_connections_live_on_when_asked_to() {
    block_on(bounded(async {
        let protocol = Noting { keeps_open: true, ..Noting::default() };
        let (transport, log, mut client) = attached(protocol).await;
        client.write_all(b"request").await.unwrap();
        client.close().await.unwrap();
        until(|| log.borrow().last().is_some_and(|call| call == "eof")).await;
        transport.write(b"late ");
        let mut begin = [0; 5];
        client.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"late ");
        transport.write(b"reply");
        transport.write_eof();
        transport.write(b"too late");
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "reply");
        is_lost(&log).await;
        assert_eq!(calls(&log), ["made", "data request", "eof", "lost None"]);
        // The other way round: this end says first that it has no more.
        let (transport, log, mut client) = attached(Noting::default()).await;
        transport.write_eof();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        client.write_all(b"still heard").await.unwrap();
        until(|| log.borrow().len() == 2).await;
        client.close().await.unwrap();
        is_lost(&log).await;
        assert_eq!(calls(&log), ["made", "data still heard", "eof", "lost None"]);
    }));
}

#[test]
fn paused_reading_makes_the_other_end_wait() {
    block_on(bounded(async {
        let (transport, log, client) = attached(Noting::default()).await;
        yield_now().await;
        transport.pause_reading();
        let writing = evented::spawn(async move {
            (&client).write_all(&vec![b'x'; 16 << 20]).await.map(|()| client)
        });
        sleep(Duration::from_millis(5)).await;
        assert!(!writing.is_finished());
        assert!(log.borrow().len() <= 2, "at most what was on its way");
        transport.resume_reading();
        drop(writing.await.unwrap().unwrap());
        is_lost(&log).await;
        let received: usize = log.borrow().iter().map(|call| call.matches('x').count()).sum();
        assert_eq!(received, 16 << 20);
    }));
}

#[test]
fn no_method_is_called_inside_of_another() {
    /// Writes, pauses and closes from inside of its methods.
    fn on_data(transport: &Transport, data: &[u8]) {
        transport.set_write_limits(0, 0);
        transport.write(data);
        transport.pause_reading();
        transport.resume_reading();
        if data.ends_with(b"close") {
            transport.close();
            transport.write(b"not this");
        }
    }
    block_on(bounded(async {
        let protocol = Noting { on_data: Some(on_data), ..Noting::default() };
        let (_, log, mut client) = attached(protocol).await;
        client.write_all(b"and close").await.unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply, "and close");
        is_lost(&log).await;
        // The pause is asked for before anything is sent, if at all: `RefCell` in `Noting` would have
        // panicked, had one call come inside of another.
        assert_eq!(calls(&log), ["made", "data and close", "lost None"]);
    }));
}

#[test]
fn a_method_that_panics_loses_its_connection_only() {
    block_on(bounded(async {
        for method in ["made", "data", "eof", "lost"] {
            let before = evented::stats().panics;
            let protocol = Noting { panics_in: method, ..Noting::default() };
            let (_, log, mut client) = attached(protocol).await;
            client.write_all(b"x").await.unwrap();
            client.close().await.unwrap();
            is_lost(&log).await;
            until(|| evented::stats().tasks == 0).await;
            let lost = calls(&log).iter().filter(|call| call.starts_with("lost")).count();
            assert_eq!(lost, 1, "{method}: {:?}", calls(&log));
            let wanted = if method == "lost" { "lost None" } else { "lost Some(Other)" };
            assert_eq!(calls(&log).last().unwrap(), wanted);
            assert_eq!(evented::stats().panics, before + 1, "{method}");
        }
    }));
}

#[test]
fn the_end_of_the_reactor_is_told() {
    let reactor = Reactor::new().unwrap();
    let (_transport, log, _client) = reactor.block_on(bounded(async {
        let (transport, log, client) = attached(Noting::default()).await;
        yield_now().await;
        (transport, log, client)
    }));
    drop(reactor);
    assert_eq!(calls(&log), ["made", "lost Some(Interrupted)"]);
}

/// A stream that has a transport of its own connection, and panics when it has sent what it wrote there.
#[derive(Default)]
struct Odd {
    transport: Rc<RefCell<Option<Transport>>>,
    sent: Rc<RefCell<Vec<u8>>>,
}

impl AsyncRead for Odd {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        assert_ne!(*self.sent.borrow(), b"abcdxy", "on purpose");
        Poll::Pending
    }
}

impl AsyncWrite for Odd {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.sent.borrow().is_empty() {
            self.transport.borrow().as_ref().unwrap().write(b"xy");
        }
        self.sent.borrow_mut().extend(&data[..1]);
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_stream_that_panics_is_named_and_one_that_writes_to_itself_writes_later() {
    block_on(bounded(async {
        let stream = Odd::default();
        let (itself, sent) = (Rc::clone(&stream.transport), Rc::clone(&stream.sent));
        let protocol = Noting::default();
        let (log, why) = (Rc::clone(&protocol.log), Rc::clone(&protocol.why));
        let transport = attach(stream, protocol);
        *itself.borrow_mut() = Some(transport.clone());
        transport.write(b"abcd");
        is_lost(&log).await;
        assert_eq!(*sent.borrow(), b"abcdxy", "in the order in which it was written");
        assert_eq!(calls(&log), ["made", "lost Some(Other)"]);
        assert_eq!(*why.borrow(), "the stream panicked");
    }));
}
