//! The task of a connection: the only one that calls its protocol.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::Protocol;
use super::transport::{Phase, Transport};
use crate::contain::contain_and_discard;
use crate::current;
use crate::engine::count;
use crate::task::spawn;

/// How much is read at once at most.
const PIECE: usize = 64 * 1024;

thread_local! {
    /// Where all connections of a thread read: those that are idle own no buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Has a protocol deal with a connection that is there, in a task of its own: for clients, and for streams
/// other than sockets. The first call comes later, never at once.
///
/// # Panics
///
/// Outside a reactor.
#[track_caller]
pub fn attach<S, P>(stream: S, protocol: P) -> Transport
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    P: Protocol,
{
    attach_with(stream, protocol, ())
}

/// As [`attach`]; `until_lost` is dropped after the connection was lost.
#[track_caller]
pub(super) fn attach_with<S, P, D>(stream: S, protocol: P, until_lost: D) -> Transport
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    P: Protocol,
    D: 'static,
{
    let transport = Transport::new();
    let mut connection = Connection::new(stream, protocol, transport.clone());
    spawn(async move {
        let _until_lost = until_lost;
        poll_fn(|cx| connection.poll(cx)).await;
        drop(connection);
    })
    .detach();
    transport
}

/// A connection with its protocol.
struct Connection<S, P: Protocol> {
    stream: S,
    protocol: P,
    transport: Transport,
    stage: Stage,
    /// `pause_writing` was called last, not `resume_writing`.
    is_writing_paused: bool,
    /// The other end will send no more.
    eof_received: bool,
    /// The other end was told that this one will not.
    eof_sent: bool,
}

/// | stage     | meaning                                           | next                     |
/// |-----------|---------------------------------------------------|--------------------------|
/// | fresh     | no method was called                              | calling                  |
/// | calling   | one is running, or has panicked                   | waiting, lost            |
/// | streaming | the stream is being asked, or has panicked        | waiting                  |
/// | waiting   | none of these is running                          | calling, streaming, lost |
/// | lost      | `connection_lost` was called, is running, or has panicked | -                |
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Calling,
    Streaming,
    Waiting,
    Lost,
}

/// What a step of the connection has led to.
enum Step {
    /// There may be more to do.
    Again,
    /// Nothing, until something happens.
    Wait,
}

impl<S, P> Connection<S, P>
where
    S: AsyncRead + AsyncWrite + Unpin,
    P: Protocol,
{
    fn new(stream: S, protocol: P, transport: Transport) -> Self {
        Self {
            stream,
            protocol,
            transport,
            stage: Stage::Fresh,
            is_writing_paused: false,
            eof_received: false,
            eof_sent: false,
        }
    }

    /// Ready when the connection is lost and the protocol knows.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.transport.shared().stop_waiting();
        if self.stage == Stage::Fresh {
            let transport = self.transport.clone();
            self.call(|protocol| protocol.connection_made(&transport));
        }
        loop {
            match self.step(cx) {
                Ok(Some(Step::Again)) => {}
                // What was asked for by a call above is done: a step comes after each. So nobody has to
                // wake this task before it waits, and nobody can: it has left no waker.
                Ok(Some(Step::Wait)) => {
                    self.transport.shared().wait(cx);
                    return Poll::Pending;
                }
                Ok(None) => break self.lose(None),
                Err(error) => break self.lose(Some(error)),
            }
        }
        Poll::Ready(())
    }

    /// Sends, receives, or calls the protocol once. None: the connection is at its end.
    fn step(&mut self, cx: &mut Context<'_>) -> io::Result<Option<Step>> {
        if self.transport.shared().phase.get() == Phase::Aborted {
            return Ok(None);
        }
        let is_sent = self.send(cx)?.is_ready();
        let phase = self.transport.shared().phase.get();
        let is_over = self.eof_received && self.eof_sent;
        if is_sent && (phase == Phase::Closing || is_over) {
            return Ok(None);
        }
        if self.regulate() {
            return Ok(Some(Step::Again));
        }
        let may_read = phase == Phase::Open && !self.eof_received;
        if may_read && !self.transport.shared().is_reading_paused.get() {
            return self.receive(cx).map(Some);
        }
        Ok(Some(Step::Wait))
    }

    /// Sends what is unsent. Ready when nothing is left.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        while self.transport.unsent() > 0 {
            match self.send_once(cx)? {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(_) => {}
            }
        }
        if self.ask(|stream| stream.poll_flush(cx))?.is_pending() {
            return Ok(Poll::Pending);
        }
        if self.transport.shared().eof_asked.get() && !self.eof_sent {
            if self.ask(|stream| stream.poll_close(cx))?.is_pending() {
                return Ok(Poll::Pending);
            }
            self.eof_sent = true;
        }
        Ok(Poll::Ready(()))
    }

    /// Sends some of what is unsent; how much.
    fn send_once(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<usize>> {
        // Taken out: a stream of somebody else's may write to its own transport in there, which comes after.
        let mut unsent = self.transport.shared().unsent.take();
        let sent = self.ask(|stream| {
            let sent = stream.poll_write(cx, unsent.as_slices().0);
            if let Poll::Ready(Ok(count)) = sent {
                drop(unsent.drain(..count));
            }
            sent
        });
        let shared = self.transport.shared();
        let later = shared.unsent.replace(unsent);
        if !later.is_empty() {
            shared.unsent.borrow_mut().extend(later);
        }
        match sent {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(count) => count.map(Poll::Ready),
        }
    }

    /// Has the protocol pause or go on. True if it was called.
    fn regulate(&mut self) -> bool {
        let shared = self.transport.shared();
        let unsent = shared.unsent.borrow().len();
        if !self.is_writing_paused && unsent > shared.high.get() {
            self.is_writing_paused = true;
            self.call(P::pause_writing);
        } else if self.is_writing_paused && unsent <= shared.low.get() {
            self.is_writing_paused = false;
            self.call(P::resume_writing);
        } else {
            return false;
        }
        true
    }

    /// Reads once and gives it to the protocol.
    fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<Step> {
        let mut buffer = BUFFER.take();
        buffer.resize(PIECE, 0);
        let read = self.ask(|stream| stream.poll_read(cx, &mut buffer));
        let step = match read {
            Poll::Pending => Ok(Step::Wait),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(0)) => {
                self.eof_received = true;
                if !self.call(P::eof_received) {
                    self.transport.close();
                }
                Ok(Step::Again)
            }
            Poll::Ready(Ok(count)) => {
                self.call(|protocol| protocol.data_received(&buffer[..count]));
                Ok(Step::Again)
            }
        };
        BUFFER.replace(buffer);
        step
    }

    /// Asks the stream, which may be somebody else's and panic.
    fn ask<R>(&mut self, ask: impl FnOnce(Pin<&mut S>) -> R) -> R {
        self.stage = Stage::Streaming;
        let answer = ask(Pin::new(&mut self.stream));
        self.stage = Stage::Waiting;
        answer
    }

    /// Tells the protocol of the end, once.
    fn lose(&mut self, reason: Option<io::Error>) {
        self.transport.shared().lose();
        self.stage = Stage::Lost;
        self.protocol.connection_lost(reason);
    }
}

impl<S, P: Protocol> Connection<S, P> {
    fn call<R>(&mut self, method: impl FnOnce(&mut P) -> R) -> R {
        self.stage = Stage::Calling;
        let result = method(&mut self.protocol);
        self.stage = Stage::Waiting;
        result
    }
}

impl<S, P: Protocol> Drop for Connection<S, P> {
    fn drop(&mut self) {
        self.transport.shared().lose();
        let reason = match self.stage {
            Stage::Fresh | Stage::Lost => return,
            Stage::Calling => io::Error::other("a method of the protocol panicked"),
            Stage::Streaming => io::Error::other("the stream panicked"),
            Stage::Waiting => io::Error::new(io::ErrorKind::Interrupted, "the reactor has ended"),
        };
        if contain_and_discard(|| self.protocol.connection_lost(Some(reason)))
            && let Some(engine) = current::try_engine()
        {
            count(&engine.counters.panics);
        }
    }
}
