//! UDP.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use super::io::Io;
use super::io_traits::descriptor;
use crate::sources::Direction;

/// A UDP socket.
///
/// Datagrams are sent and received whole. One that is larger than the buffer is cut off, and the rest of
/// it is lost. Several tasks may wait for the same direction: an event wakes all of them.
///
/// A future that is dropped before it was ready has sent or received nothing.
///
/// A socket may be sent to another thread, but belongs to the reactor in which it first had to wait.
#[derive(Debug)]
pub struct UdpSocket {
    io: Io<mio::net::UdpSocket>,
}

descriptor!(UdpSocket);

impl UdpSocket {
    /// Binds an address. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// As [`std::net::UdpSocket::bind`].
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { io: Io::new(mio::net::UdpSocket::bind(address)?) })
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { io: Io::of_others(mio::net::UdpSocket::from_std(socket)) })
    }

    /// Gives the socket to the standard library, in blocking mode.
    ///
    /// # Errors
    ///
    /// When the socket waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        let socket = std::net::UdpSocket::from(self.io.into_inner()?);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    /// Sets where [`send`](Self::send) sends to, and receives from there only.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.io.socket().connect(peer)
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// When the system refuses, for example because the datagram is too large; a reply to an earlier
    /// datagram that nobody listens there (`ConnectionRefused`).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send_to(cx, datagram, to)).await
    }

    /// Receives a datagram; gives its length and sender.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        poll_fn(|cx| self.poll_recv_from(cx, buffer)).await
    }

    /// Sends a datagram to where the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); when the socket is not connected.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.io.poll_io(cx, Direction::Write, |socket| socket.send(datagram))).await
    }

    /// Receives a datagram from where the socket is [connected](Self::connect) to.
    ///
    /// # Errors
    ///
    /// When the system refuses; `ConnectionRefused` when nobody listens there.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.io.poll_io(cx, Direction::Read, |socket| socket.recv(buffer))).await
    }

    /// Reads the next datagram without taking it out.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        poll_fn(|cx| self.io.poll_io(cx, Direction::Read, |socket| socket.peek_from(buffer))).await
    }

    /// As [`send_to`](Self::send_to), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_send_to(
        &self,
        cx: &Context<'_>,
        datagram: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Direction::Write, |socket| socket.send_to(datagram, to))
    }

    /// As [`recv_from`](Self::recv_from), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_recv_from(
        &self,
        cx: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.io.poll_io(cx, Direction::Read, |socket| socket.recv_from(buffer))
    }

    /// Sends a datagram if there is room for it, without waiting. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.io.try_io(|socket| socket.send_to(datagram, to))
    }

    /// Receives a datagram that is there, without waiting. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_io(|socket| socket.recv_from(buffer))
    }

    /// Sends a datagram to the connected peer if there is room for it, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`send`](Self::send).
    pub fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.io.try_io(|socket| socket.send(datagram))
    }

    /// Receives a datagram of the connected peer that is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`recv`](Self::recv).
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_io(|socket| socket.recv(buffer))
    }

    /// Address the socket is bound to.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().local_addr()
    }

    /// Address the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().peer_addr()
    }

    /// Allows sending to broadcast addresses.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.socket().set_broadcast(on)
    }

    /// Receives what is sent to a multicast group from here on, on the interface with this address
    /// (`0.0.0.0`: the system chooses).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.socket().join_multicast_v4(&group, &interface)
    }

    /// Ends [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.socket().leave_multicast_v4(&group, &interface)
    }

    /// Receives what is sent to a multicast group from here on, on the interface with this number
    /// (0: the system chooses).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.socket().join_multicast_v6(&group, interface)
    }

    /// Ends [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.socket().leave_multicast_v6(&group, interface)
    }
}
