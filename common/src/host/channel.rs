//! The host's end of the protocol stream.

use std::{
    fs::File,
    io::{self, BufRead, StdinLock, Write},
    os::fd::AsFd,
};

use crate::protocol::{Reply, Request};

/// Requests come in, replies go out.
pub(super) struct Channel {
    /// Where requests come from.
    input: StdinLock<'static>,
    /// What was standard output.
    output: File,
}

impl Channel {
    /// Takes standard output for the protocol and points descriptor 1 at standard error: from now
    /// on, what a task prints goes there.
    pub(super) fn take_over_standard_output() -> io::Result<Self> {
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self { input: io::stdin().lock(), output })
    }

    /// The next request; `None` at the end of the input.
    pub(super) fn receive(&mut self) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }

    /// Sends a reply.
    pub(super) fn send(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.output.write_all(&line)
    }

    /// Sends bytes that are no reply.
    pub(super) fn send_rubbish(&mut self) -> io::Result<()> {
        self.output.write_all(b"this is not a message\n")
    }
}
