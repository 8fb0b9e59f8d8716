//! How an actor is described and started.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::queue::MAX_MESSAGES;

use super::mailbox::Mailbox;
use super::{ActorRef, MAX_MESSAGE, owner};

/// Messages that wait, unless the builder says otherwise.
const DEFAULT_MAILBOX: usize = 64;

/// Bytes of an argument or a result, unless the builder says otherwise.
const DEFAULT_MAX_MESSAGE: usize = 64 << 10;

/// Settings of an actor.
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `spawn`"]
pub struct ActorBuilder {
    /// What `ps` shows.
    name: Option<String>,
    /// Messages that wait.
    mailbox: usize,
    /// Bytes of an argument or a result.
    max_message: usize,
    /// How often it is started again.
    restarts: u32,
}

impl Default for ActorBuilder {
    fn default() -> Self {
        let (mailbox, max_message) = (DEFAULT_MAILBOX, DEFAULT_MAX_MESSAGE);
        Self { name: None, mailbox, max_message, restarts: 0 }
    }
}

impl ActorBuilder {
    /// Those of [`spawn_actor`](crate::spawn_actor).
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of its process, which `ps` shows.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many messages may wait for it; beyond, callers wait. The default is 64.
    pub fn mailbox(mut self, messages: usize) -> Self {
        self.mailbox = messages;
        self
    }

    /// The largest encoded argument or result in bytes. The default is 64 KiB. Memory for 64
    /// results is reserved, and used as results become that large.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How often it is started again after it has failed: its process died, or a handler (or
    /// `init`) panicked. The default is never.
    ///
    /// The new one has the state that `init(x)` makes; what the old one had done to its own is
    /// gone. What waits in the mailbox stays there for the new one, but the call in which the old
    /// one failed is not executed again.
    ///
    /// It is started at once. Only if it fails again and again before it has taken a message (as `init`
    /// panics), the next one comes later each time, up to a second later.
    pub fn restarts(mut self, times: u32) -> Self {
        self.restarts = times;
        self
    }

    /// Starts the actor; see [`spawn_actor`](crate::spawn_actor).
    ///
    /// `x` is kept for restarts, and with it the references and ends of channels in it.
    ///
    /// # Errors
    /// - `InvalidInput`: no room in the mailbox or more than for 16,777,216 messages, no bytes or
    ///   more than [`MAX_MESSAGE`], a name with a NUL byte, or an argument that cannot be encoded
    ///   (the [`JoinError`](crate::JoinError) is inside).
    /// - As [`Builder::build`](crate::Builder::build).
    pub fn spawn<A, S>(self, init: fn(A) -> S, x: A) -> io::Result<ActorRef<S>>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        S: 'static,
    {
        let Self { name, mailbox, max_message, restarts } = self;
        if mailbox == 0 || mailbox > MAX_MESSAGES || max_message == 0 || max_message > MAX_MESSAGE {
            let text = format!(
                "an actor with a mailbox for {mailbox} messages of {max_message} bytes is not \
                 possible; ask for 1 to {MAX_MESSAGES} messages and 1 to {MAX_MESSAGE} bytes"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mailbox = Mailbox::create(mailbox, max_message)?;
        let reference = ActorRef::open(mailbox.clone()).ok_or(io::ErrorKind::OutOfMemory)?;
        owner::start(mailbox, name, restarts, init, x)?;
        Ok(reference)
    }
}
