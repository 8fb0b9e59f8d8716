//! What is done most often to a connection.
//!
//! On Linux the system is called at once: the standard library goes through the C library, which looks
//! whether the thread may be cancelled, and mio through a check of its own.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;

/// Reads from a connected socket.
#[cfg(target_os = "linux")]
#[inline]
pub(super) fn receive<S: AsFd>(socket: &S, buffer: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(socket, buffer, rustix::net::RecvFlags::empty())?;
    Ok(read)
}

/// Writes to a connected socket. No signal tells that the peer is gone.
#[cfg(target_os = "linux")]
#[inline]
pub(super) fn send<S: AsFd>(socket: &S, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL)?)
}

/// Reads from a connected socket.
#[cfg(not(target_os = "linux"))]
pub(super) fn receive<S>(socket: &S, buffer: &mut [u8]) -> io::Result<usize>
where
    for<'a> &'a S: io::Read,
{
    io::Read::read(&mut &*socket, buffer)
}

/// Writes to a connected socket. No signal tells that the peer is gone: the standard library sees to it.
#[cfg(not(target_os = "linux"))]
pub(super) fn send<S>(socket: &S, bytes: &[u8]) -> io::Result<usize>
where
    for<'a> &'a S: io::Write,
{
    io::Write::write(&mut &*socket, bytes)
}
