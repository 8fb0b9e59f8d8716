//! Making connections.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use super::{TcpStream, connect_happy};
use crate::blocking::blocking;
use crate::sources::Direction;

/// Connects to one address.
pub(super) async fn to_address(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::new(mio::net::TcpStream::connect(address)?);
    let mut asked = false;
    loop {
        // The socket becomes writable when it is connected, and when it failed to.
        poll_fn(|cx| stream.io().poll_event(cx, Direction::Write, &mut asked)).await?;
        if let Some(error) = stream.io().socket().take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            // A wake-up for nothing: it is still on its way.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => asked = false,
            result => return result.map(|_peer| stream),
        }
    }
}

/// Connects to whichever address of a host answers first.
pub(super) async fn to_host(host_and_port: String) -> io::Result<TcpStream> {
    let wanted = host_and_port.clone();
    let found = blocking(move || host_and_port.to_socket_addrs().map(Vec::from_iter)).await;
    let addresses = found.map_err(io::Error::other)??;
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{wanted} has no address")));
    }
    connect_happy(addresses).await
}
