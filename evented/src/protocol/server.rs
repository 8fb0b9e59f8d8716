//! Accepting connections for protocols.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};

use super::connection::attach_with;
use super::{Protocol, Transport};
use crate::net::{TcpListener, TcpStream, UnixListener, UnixStream, is_passing};
use crate::sync::Notify;
use crate::task::{JoinError, Task, spawn};
use crate::time::timeout;

/// What accepts connections.
pub trait Accept: 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Waits for the next one. A server that is closed drops the future.
    fn accept_one(&self) -> impl Future<Output = io::Result<Self::Stream>>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept_one(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept_one(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Accepts connections, and has a new protocol deal with each, until the [`Server`] is closed or dropped.
///
/// When there are no descriptors or no memory left for a connection, it is turned away, or waits, as
/// [`TcpListener::accept`] does, and the server goes on.
///
/// A panic of `make` closes that connection and ends accepting; it is an error of
/// [`JoinError::Panicked`] for who awaits the server, or [shuts it down](Server::shutdown). The
/// connections that there are go on.
///
/// # Panics
///
/// Outside a reactor.
#[track_caller]
pub fn serve<A, P>(listener: A, mut make: impl FnMut() -> P + 'static) -> Server
where
    A: Accept,
    P: Protocol,
{
    let live = Rc::new(Live::default());
    let taken = Rc::clone(&live);
    let accepting = spawn(async move {
        loop {
            match listener.accept_one().await {
                Ok(stream) => Live::take(&taken, stream, make()),
                Err(error) if is_passing(&error) => {}
                Err(error) => return error,
            }
        }
    });
    Server { accepting, live }
}

/// A server. Dropping it ends accepting; its connections go on.
///
/// Await it for the error with which accepting has ended; without one it goes on for ever.
#[must_use = "dropping a `Server` ends accepting"]
pub struct Server {
    accepting: Task<io::Error>,
    live: Rc<Live>,
}

impl Server {
    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.live.transports.borrow().len()
    }

    /// Ends accepting, and frees the address. Connections go on.
    pub fn close(self) {
        drop(self.accepting);
    }

    /// Ends in good order: accepts no more, [closes](Transport::close) all connections, waits for them at
    /// most `grace`, and [aborts](Transport::abort) what is left then. Returns when all are gone.
    pub async fn shutdown(self, grace: Duration) -> Ended {
        // Its future is dropped before anything else happens, and the listener with it.
        let failure = match self.accepting.cancel().await {
            Ok(error) => Some(error),
            Err(JoinError::Cancelled) => None,
            Err(panic) => Some(io::Error::other(panic)),
        };
        self.live.each(Transport::close);
        if timeout(grace, self.live.emptied()).await.is_ok() {
            return Ended { aborted: 0, failure };
        }
        let aborted = self.live.transports.borrow().len();
        self.live.each(Transport::abort);
        self.live.emptied().await;
        Ended { aborted, failure }
    }
}

impl Future for Server {
    type Output = io::Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Error> {
        let ended = |result: Result<io::Error, JoinError>| result.unwrap_or_else(io::Error::other);
        Pin::new(&mut self.accepting).poll(cx).map(ended)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

/// How [`Server::shutdown`] went, and what had gone wrong before.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Connections that had not finished when time was over.
    pub aborted: usize,
    /// Why the server had stopped accepting before, if it had.
    pub failure: Option<io::Error>,
}

/// The connections of a server.
#[derive(Default)]
struct Live {
    /// In the order in which they came.
    transports: RefCell<BTreeMap<u64, Transport>>,
    /// One is gone.
    changed: Notify,
}

impl Live {
    /// Begins with a connection.
    fn take<S, P>(live: &Rc<Self>, stream: S, protocol: P)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
        P: Protocol,
    {
        let key = live.transports.borrow().last_key_value().map_or(0, |(last, _)| last + 1);
        let entry = Entry { key, live: Rc::clone(live) };
        let transport = attach_with(stream, protocol, entry);
        live.transports.borrow_mut().insert(key, transport);
    }

    /// Calls a method for each that there is.
    fn each(&self, method: impl Fn(&Transport)) {
        let transports: Vec<Transport> = self.transports.borrow().values().cloned().collect();
        transports.iter().for_each(method);
    }

    /// Waits until there is none.
    async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            if self.transports.borrow().is_empty() {
                return;
            }
            changed.await;
        }
    }
}

/// Takes a connection off the list when it is over.
struct Entry {
    key: u64,
    live: Rc<Live>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let gone = self.live.transports.borrow_mut().remove(&self.key);
        drop(gone);
        self.live.changed.notify_all();
    }
}
