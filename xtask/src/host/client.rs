//! The harness's end of a lane host: one request, one reply, each within a deadline.

use std::{
    io::Write,
    process::{ChildStdin, Command, Stdio},
    time::Duration,
};

use common::protocol::{Reply, Request};
use rustix::process::Pid;

use super::{
    directory::Program,
    process::{HostError, Process, shortened},
};

/// A running lane host. Dropping it kills the host and everything in its process group, and waits
/// for it.
#[derive(Debug)]
pub struct Client {
    /// The process.
    process: Process,
    /// Where requests go.
    input: ChildStdin,
}

impl Client {
    /// Starts `program` as the leader of a process group of its own, so that the terminal's Ctrl-C
    /// does not reach it and it can be killed with all of its children.
    ///
    /// # Errors
    /// [`HostError::NotStarted`].
    pub fn start(program: &Program) -> Result<Self, HostError> {
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).arg("--serve").stdin(Stdio::piped());
        command.envs(program.variables.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start(&mut command)?;
        let input = process.take_input().expect("standard input is piped");
        Ok(Self { process, input })
    }

    /// The process id of the host.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// The reply that comes unasked, first.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn hello(&mut self, limit: Duration) -> Result<Reply, HostError> {
        self.reply(limit)
    }

    /// Sends a request and waits for its reply, at most `limit`.
    ///
    /// # Errors
    /// Whatever the host did instead; it is dead or useless then, and the client is to be dropped.
    /// After [`HostError::Refused`] it can be asked on.
    pub fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, HostError> {
        let mut line = serde_json::to_vec(request)
            .expect("requests have no maps with other keys than strings");
        line.push(b'\n');
        if self.input.write_all(&line).is_err() {
            return Err(self.process.ended());
        }
        match self.reply(limit)? {
            Reply::Error { why } => Err(HostError::Refused(why)),
            reply => Ok(reply),
        }
    }

    /// Waits for one reply.
    fn reply(&mut self, limit: Duration) -> Result<Reply, HostError> {
        let line = self.process.line(limit)?;
        serde_json::from_str(&line).map_err(|_| HostError::Rubbish(shortened(&line)))
    }
}
