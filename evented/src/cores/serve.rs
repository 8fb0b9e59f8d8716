//! Accepting connections for all loops.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::live::{Counted, Live};
use super::{Balance, Stop};
use crate::contain::{contain, contain_and_discard};
use crate::handle::{Handle, RemoteTask};
use crate::net::{TcpListener, TcpStream, is_passing};
use crate::sync::oneshot;
use crate::task::{JoinError, spawn};

/// What accepts on one loop.
pub(super) struct Acceptor {
    /// Dropped to end it.
    go_on: oneshot::Sender<()>,
    /// Ends when the listener is closed; with the reason, if it was not asked to.
    task: RemoteTask<Option<io::Error>>,
}

/// What an acceptor needs to place a connection.
#[derive(Clone)]
struct Place<H> {
    /// The loop that accepts.
    own: usize,
    balance: Balance,
    loops: Arc<[Handle]>,
    live: Arc<Live>,
    handler: H,
}

/// Binds the address, and has one or all of the loops accept.
#[track_caller]
pub(super) fn start<H, F>(
    address: SocketAddr,
    balance: Balance,
    loops: &Arc<[Handle]>,
    live: &Arc<Live>,
    handler: H,
) -> io::Result<(SocketAddr, Vec<Acceptor>)>
where
    H: Fn(TcpStream, Stop) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let mut listeners = Vec::new();
    match balance {
        Balance::Fewest => listeners.push(TcpListener::bind(address)?),
        Balance::Kernel => {
            listeners.push(shared_port::bind(address)?);
            // The others get the port that the system has chosen for the first.
            let address = listeners[0].local_addr()?;
            for _ in 1..loops.len() {
                listeners.push(shared_port::bind(address)?);
            }
        }
    }
    let address = listeners[0].local_addr()?;
    let mut acceptors = Vec::with_capacity(listeners.len());
    for (own, listener) in listeners.into_iter().enumerate() {
        let (loops, live) = (Arc::clone(loops), Arc::clone(live));
        let place = Place { own, balance, loops, live, handler: handler.clone() };
        acceptors.push(accept(listener, place));
    }
    Ok((address, acceptors))
}

/// Ends them. Gives the errors of those that had ended before. All listeners are closed when this
/// returns, unless it has waited as long as `limit`: then those are closed as soon as their loops go on.
pub(super) fn stop(acceptors: Vec<Acceptor>, limit: Duration) -> Vec<io::Error> {
    let start = Instant::now();
    let mut all = Vec::new();
    for Acceptor { go_on, task } in acceptors {
        // All of them are told before the first one is waited for.
        drop(go_on);
        all.push(task);
    }
    let failure = |task: RemoteTask<Option<io::Error>>| {
        let ended = task.finish_within(limit.saturating_sub(start.elapsed()))?;
        match ended {
            Ok(failure) => failure,
            Err(JoinError::Cancelled) => None,
            Err(panic) => Some(io::Error::other(panic)),
        }
    };
    all.into_iter().filter_map(failure).collect()
}

/// Has a loop accept until it fails or is told to end.
#[track_caller]
fn accept<H, F>(listener: TcpListener, place: Place<H>) -> Acceptor
where
    H: Fn(TcpStream, Stop) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let (go_on, mut told) = oneshot::channel::<()>();
    let handle = place.loops[place.own];
    let run = move || async move {
        let mut accepting = Box::pin(accept_all(listener, place));
        let failure = poll_fn(|cx| match Pin::new(&mut told).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => accepting.as_mut().poll(cx).map(Some),
        });
        let failure = pin!(failure).await;
        // The listener is closed before anybody hears of the end.
        drop(accepting);
        failure
    };
    Acceptor { go_on, task: handle.spawn(run) }
}

/// Accepts and places connections, until the listener fails.
async fn accept_all<H, F>(listener: TcpListener, place: Place<H>) -> io::Error
where
    H: Fn(TcpStream, Stop) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => place.put(stream),
            Err(error) if is_passing(&error) => {}
            Err(error) => return error,
        }
    }
}

impl<H, F> Place<H>
where
    H: Fn(TcpStream, Stop) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    /// Begins with a connection on the loop that is to have it.
    fn put(&self, stream: TcpStream) {
        let index = match self.balance {
            Balance::Fewest => self.live.least_loaded(),
            Balance::Kernel => self.own,
        };
        let counted = self.live.begin(index);
        let (handler, stop) = (self.handler.clone(), self.live.stop().clone());
        if index == self.own {
            spawn(attend(counted, handler, stream, stop)).detach();
        } else {
            // It has not waited on this loop, so it may go to another. If that one is gone, the
            // connection is closed here.
            let begin = move || spawn(attend(counted, handler, stream, stop)).detach();
            let _ = self.loops[index].call(begin);
        }
    }
}

/// A connection, to its end.
async fn attend<H, F>(counted: Counted, handler: H, stream: TcpStream, stop: Stop)
where
    H: Fn(TcpStream, Stop) -> F,
    F: Future<Output = ()>,
{
    let live = &counted.live;
    let mut given = Some((handler, stream, stop));
    let mut connection = pin!(None);
    poll_fn(|cx| {
        let polled = contain(|| {
            // Here, so that a panic of the handler is one of those below.
            if let Some((handler, stream, stop)) = given.take() {
                connection.set(Some(handler(stream, stop)));
            }
            let polled = connection.as_mut().as_pin_mut().map_or(Poll::Ready(()), |it| it.poll(cx));
            if polled.is_ready() {
                connection.set(None);
            }
            polled
        });
        polled.unwrap_or_else(|payload| {
            live.note_panic(&payload);
            // A second panic, while the first goes on, would end the process.
            contain_and_discard(|| connection.set(None));
            // It is the task's panic, as it would be without a look at it.
            resume_unwind(payload)
        })
    })
    .await;
}

/// Several listeners for one port.
#[cfg(target_os = "linux")]
mod shared_port {
    use std::io;
    use std::net::SocketAddr;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

    use crate::net::TcpListener;

    /// How many connections may wait to be accepted.
    const BACKLOG: i32 = 1024;

    pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        TcpListener::from_std(socket.into())
    }
}

/// Elsewhere, the port is shared but connections are not spread.
#[cfg(not(target_os = "linux"))]
mod shared_port {
    use std::io;
    use std::net::SocketAddr;

    use crate::net::TcpListener;

    pub(super) fn bind(_: SocketAddr) -> io::Result<TcpListener> {
        let text = "only Linux spreads connections over several listeners: use `Balance::Fewest`";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}
