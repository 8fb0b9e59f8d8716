//! A worker written by hand: numbers and bytes through a Unix socket, one message after the other,
//! with nothing but `std`. It is the floor that a pool stands on, not something one would ship.

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Stdio},
};

use crate::helper;

/// What contenders that use it are called.
pub(crate) const NAME: &str = "unix-stream";

/// A worker process and our end of its socket.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Our end; taken to end the worker.
    socket: Option<UnixStream>,
    /// The process.
    child: Child,
}

impl Worker {
    /// Starts a helper whose standard input is the other end.
    pub(crate) fn start(role: &str, arguments: &[&str]) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("descriptors are left");
        let mut command = helper::command(role);
        command.args(arguments).stdin(Stdio::from(OwnedFd::from(theirs)));
        Self { socket: Some(ours), child: command.spawn().expect("a process can be started") }
    }

    /// Our end.
    fn socket(&self) -> &UnixStream {
        self.socket.as_ref().expect("only drop takes it")
    }

    /// Sends a number.
    pub(crate) fn send(&self, x: u64) {
        self.socket().write_all(&x.to_le_bytes()).expect("the worker reads");
    }

    /// Receives a number.
    pub(crate) fn receive(&self) -> u64 {
        number(self.socket()).expect("the worker answers")
    }

    /// Sends bytes after their number.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        self.send(bytes.len() as u64);
        self.socket().write_all(bytes).expect("the worker reads");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.socket = None;
        self.child.wait().expect("it is our child");
    }
}

/// The next number; `None`: there will be no more.
fn number(mut socket: &UnixStream) -> Option<u64> {
    let mut bytes = [0; 8];
    socket.read_exact(&mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// The worker's end.
fn inherited() -> UnixStream {
    let stdin = rustix::stdio::stdin();
    UnixStream::from(stdin.try_clone_to_owned().expect("descriptors are left"))
}

/// The worker that answers each number with itself.
pub(crate) fn echo() {
    let mut socket = inherited();
    while let Some(x) = number(&socket) {
        socket.write_all(&x.to_le_bytes()).expect("the parent reads");
    }
}

/// The worker that answers bytes with how many there were.
pub(crate) fn measure() {
    let mut socket = inherited();
    let mut bytes = Vec::new();
    while let Some(size) = number(&socket) {
        bytes.resize(usize::try_from(size).expect("it fits into memory"), 0);
        socket.read_exact(&mut bytes).expect("the parent writes");
        socket.write_all(&(bytes.len() as u64).to_le_bytes()).expect("the parent reads");
    }
}

/// The worker that sends `0..units` once it was told to begin.
pub(crate) fn produce(units: u64) {
    let mut socket = inherited();
    number(&socket).expect("it is told to begin");
    for x in 0..units {
        socket.write_all(&x.to_le_bytes()).expect("the parent reads");
    }
}
