//! Standard input as a lifeline: when it ends, whoever started the server is gone or wants its end.

use std::{
    io::{self, Stdin},
    os::fd::AsRawFd as _,
};

use mio::{Interest, Registry, Token, unix::SourceFd};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
};

/// Watches standard input for its end; what comes before the end is thrown away.
#[derive(Debug)]
pub(crate) enum Lifeline {
    /// A pipe, socket or terminal, which can be polled.
    Watched(Stdin),
    /// A file or `/dev/null`: it never waits, so it holds nobody's life and counts as ended.
    NeverWaits,
}

impl Lifeline {
    /// Has the poll of `registry` report with `token` when [`has_ended`](Self::has_ended) may have
    /// changed.
    pub(crate) fn of_stdin(registry: &Registry, token: Token) -> io::Result<Self> {
        let stdin = io::stdin();
        match registry.register(&mut SourceFd(&stdin.as_raw_fd()), token, Interest::READABLE) {
            Ok(()) => Ok(Self::Watched(stdin)),
            // epoll_ctl(2): "the target file fd does not support epoll".
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                Ok(Self::NeverWaits)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what is there and says whether the end came. Never blocks.
    ///
    /// The descriptor stays in blocking mode, since that mode belongs to the open file and would
    /// change for the parent too; so each read asks first whether there is something.
    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        let Self::Watched(stdin) = self else { return Ok(true) };
        let mut scratch = [0; 4096];
        let mut at_once = [PollFd::new(stdin, PollFlags::IN)];
        loop {
            match poll(&mut at_once, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Ok(0) => return Ok(false),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if at_once[0].revents().is_empty() {
                continue;
            }
            match read(stdin, &mut scratch) {
                // A terminal that hung up says so with EIO.
                Ok(0) | Err(Errno::IO) => return Ok(true),
                Ok(_) | Err(Errno::INTR) => {}
                // Somebody else made the open file non-blocking and read it empty.
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
