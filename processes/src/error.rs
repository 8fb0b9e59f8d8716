//! What can go wrong, as values.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// On which side of the socket something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The process that owns the pool and made the call.
    Parent,
    /// The worker that executed it.
    Worker,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Parent => "parent",
            Self::Worker => "worker",
        })
    }
}

/// Why a call has no result.
///
/// It can be sent: a call that waits for calls of a pool of its own may return their errors.
#[derive(Clone, Debug, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JoinError {
    /// The function panicked. The worker survived and executes other calls.
    #[error("the call panicked: {message}{}", location.as_ref().map(|at| format!(" at {at}")).unwrap_or_default())]
    #[non_exhaustive]
    Panicked {
        /// The panic's message, or a sentence that says so when the payload was not text.
        message: String,
        /// `file:line:column`, when the worker's panic hook saw the panic.
        location: Option<String>,
        /// Where the panic came from, if `RUST_BACKTRACE` asked for that or
        /// [`Builder::backtraces`](crate::Builder::backtraces) did. A long one is cut.
        backtrace: Option<String>,
    },
    /// The call was cancelled while it was queued, or the pool was stopped before it ran.
    #[error("the call was cancelled before it ran")]
    Cancelled,
    /// The worker ended while it executed this call: killed, crashed, or it called `exit`.
    #[error("worker {pid} was lost during the call ({}){}", ending(*signal, *exit_code), said(stderr))]
    #[non_exhaustive]
    WorkerLost {
        /// The worker's process id.
        pid: u32,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// The exit code, if it exited.
        exit_code: Option<i32>,
        /// The end of what it wrote to its standard error, if the pool keeps that
        /// ([`Builder::capture_stderr`](crate::Builder::capture_stderr)); else empty.
        stderr: String,
    },
    /// The call was run again after its worker was lost, and lost each one. In a pool of a cluster (feature
    /// `distributed`) also: so many nodes were lost that had begun it
    /// (`Cluster::attempts`), `last` is [`NodeLost`](Self::NodeLost) then, and its message is kept by the
    /// broker for a day.
    #[error(
        "the call is given up, as {attempts} {} were lost that executed it; the last: {last}",
        losers(last)
    )]
    #[non_exhaustive]
    Poison {
        /// Workers, or nodes, that were lost.
        attempts: u32,
        /// How the last attempt ended.
        last: Box<JoinError>,
    },
    /// The call ran longer than its limit, so its worker was killed.
    #[error("the call ran longer than {limit:?}, so its worker was killed")]
    #[non_exhaustive]
    TimedOut {
        /// The limit, counted from the moment the worker started the call.
        limit: Duration,
    },
    /// The argument (parent) or the result (worker) could not be encoded. In a pool of a cluster (feature
    /// `distributed`) also: it is long, and the broker has had no room for it for a minute; one whose result
    /// finds none has run.
    #[error("failed to encode on the {side} side: {message}")]
    #[non_exhaustive]
    Encode {
        /// Where it failed.
        side: Side,
        /// What the codec, the value's `Serialize` or the broker said.
        message: String,
    },
    /// The argument (worker) or the result (parent) could not be decoded.
    #[error("failed to decode on the {side} side: {message}")]
    #[non_exhaustive]
    Decode {
        /// Where it failed.
        side: Side,
        /// What the codec or the value's `Deserialize` said.
        message: String,
    },
    /// The encoded argument (parent) or result (worker) is above the pool's limit.
    #[error("{size} bytes on the {side} side exceed the limit of {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// Where the value was.
        side: Side,
        /// Its encoded size in bytes.
        size: usize,
        /// The limit in bytes, see [`Builder::max_payload`](crate::Builder::max_payload).
        limit: usize,
    },
    /// No worker could be started, again and again. A later call may find that it can, see
    /// [`Builder::initializer`](crate::Builder::initializer).
    #[error("no worker can be started: {reason}")]
    #[non_exhaustive]
    Broken {
        /// How the last attempt failed.
        reason: String,
    },
    /// The machine that had the call was lost, or the way to it; only of pools of a cluster
    /// (feature `distributed`). Nobody knows whether the call ran, or still runs there. It is when
    /// - the only node that may begin it (`Cluster::attempts(1)`), or the one that had a call which was
    ///   withdrawn, was heard of no more;
    /// - the pool was stopped at once while a node had it;
    /// - there was no broker for `Cluster::offline_limit`, or the broker has lost its result, and it may not
    ///   be begun again;
    /// - the client itself has failed, which is a defect of this crate; the pool has ended then, and
    ///   [`Pool::is_closing`](crate::Pool::is_closing) says so.
    #[error("the call was lost: {reason}")]
    #[non_exhaustive]
    NodeLost {
        /// What was lost, and how.
        reason: String,
    },
    /// No machine executes such calls; only of pools of a cluster (feature `distributed`). Nodes have
    /// refused it for as long as `Cluster::patience` says, and it did not run: start one whose program has a
    /// function of this name, with the same version and the same types (it is enough to build it from the
    /// same sources as this program). To change the types of a function while old programs run, give the new
    /// one another name or version, see `task!`.
    #[error("no node serves the call: {reason}")]
    #[non_exhaustive]
    NotServed {
        /// What the last node said that refused it, and what to do.
        reason: String,
    },
}

/// How a call ended, without its result; what [`JoinHandle::on_done`] tells.
///
/// [`JoinHandle::on_done`]: crate::JoinHandle::on_done
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned.
    Returned,
    /// It panicked.
    Panicked,
    /// It was cancelled before it ran.
    Cancelled,
    /// Its worker was lost.
    WorkerLost,
    /// It ran longer than its limit.
    TimedOut,
    /// No worker could be started, or the initializer failed.
    Broken,
    /// Its argument or its result could not be sent.
    Unsent,
}

impl Outcome {
    /// How a call ended that has this result.
    pub(crate) fn of<T>(result: &Result<T, JoinError>) -> Self {
        result.as_ref().map_or_else(JoinError::outcome, |_| Self::Returned)
    }

    /// Whether the call could not do what it was to do, which nobody had asked for.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Returned | Self::Cancelled)
    }
}

impl JoinError {
    /// How a call with this error ended.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Panicked { .. } => Outcome::Panicked,
            Self::Cancelled => Outcome::Cancelled,
            Self::WorkerLost { .. } | Self::Poison { .. } | Self::NodeLost { .. } => {
                Outcome::WorkerLost
            }
            Self::TimedOut { .. } => Outcome::TimedOut,
            Self::Broken { .. } | Self::NotServed { .. } => Outcome::Broken,
            Self::Encode { .. } | Self::Decode { .. } | Self::TooLarge { .. } => Outcome::Unsent,
        }
    }
}

/// What a worker wrote in the end, if something is known.
fn said(stderr: &str) -> String {
    let text = stderr.trim_end();
    if text.is_empty() { String::new() } else { format!("; it wrote: {text}") }
}

/// What was lost again and again.
fn losers(last: &JoinError) -> &'static str {
    if matches!(last, JoinError::NodeLost { .. }) { "nodes" } else { "workers" }
}

/// "signal 9", "exit code 3", or that nothing is known.
fn ending(signal: Option<i32>, exit_code: Option<i32>) -> String {
    match (signal, exit_code) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "its end was not observed".to_owned(),
    }
}

/// Workers cannot be started because this program never reached [`init`](crate::init).
///
/// Found inside the `io::Error` (kind `Other`) that a constructor returns:
/// `error.get_ref().is_some_and(|e| e.is::<processes::NotInitialised>())`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "workers cannot start: call `processes::init()` as the first line of `main`, \
     or leave the default feature `auto-init` on"
)]
pub struct NotInitialised;

/// Why [`Queue::put`](crate::Queue::put) and its kin did not store the value.
#[derive(Clone, Debug, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is full.
    #[error("the queue is full")]
    Full(T),
    /// The queue stayed full for the whole time.
    #[error("the queue stayed full until the time was over")]
    TimedOut(T),
    /// The queue was shut down.
    #[error("the queue was shut down")]
    ShutDown(T),
    /// The value cannot be encoded, or can never fit into the queue's memory; or some process has
    /// overwritten that memory: the queue is empty and shut down then.
    #[error("the value cannot be sent: {1}")]
    Unsendable(T, String),
}

impl<T> PutError<T> {
    /// The value that was not stored.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value)
            | Self::TimedOut(value)
            | Self::ShutDown(value)
            | Self::Unsendable(value, _) => value,
        }
    }
}

/// Why [`Queue::get`](crate::Queue::get) and its kin returned no value.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GetError {
    /// The queue is empty.
    #[error("the queue is empty")]
    Empty,
    /// The queue stayed empty for the whole time.
    #[error("the queue stayed empty until the time was over")]
    TimedOut,
    /// The queue was shut down and is drained.
    #[error("the queue was shut down and is empty")]
    ShutDown,
    /// A message was taken, but its bytes do not describe a value; it is gone. Or some process has
    /// overwritten the queue's memory: the queue is empty and shut down then.
    #[error("a message could not be decoded: {0}")]
    Decode(String),
}

/// Why [`Sender::send`](crate::Sender::send) and its kin did not send the value.
#[derive(Clone, Debug, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The channel is full.
    #[error("the channel is full")]
    Full(T),
    /// The channel stayed full for the whole time.
    #[error("the channel stayed full until the time was over")]
    TimedOut(T),
    /// No receiver is left.
    #[error("the channel has no receiver any more")]
    Disconnected(T),
    /// The value cannot be encoded, or can never fit into the channel's memory; or some process has
    /// overwritten that memory: the channel is empty and disconnected then.
    #[error("the value cannot be sent: {1}")]
    Unsendable(T, String),
}

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value)
            | Self::TimedOut(value)
            | Self::Disconnected(value)
            | Self::Unsendable(value, _) => value,
        }
    }
}

/// Why [`Receiver::recv`](crate::Receiver::recv) and its kin returned no value.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RecvError {
    /// The channel is empty.
    #[error("the channel is empty")]
    Empty,
    /// The channel stayed empty for the whole time.
    #[error("the channel stayed empty until the time was over")]
    TimedOut,
    /// No sender is left, and what they sent was received.
    #[error("the channel has no sender any more and is empty")]
    Disconnected,
    /// A message was taken, but its bytes do not describe a value; it is gone. Or some process has
    /// overwritten the channel's memory: the channel is empty and disconnected then.
    #[error("a message could not be decoded: {0}")]
    Decode(String),
}

/// Why a call of an actor has no result, or a cast was not sent.
///
/// It can be sent: a call that uses an actor may return its errors.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ActorError {
    /// The handler panicked, which has ended the actor.
    #[error("the actor panicked: {message}{}", location.as_ref().map(|at| format!(" at {at}")).unwrap_or_default())]
    #[non_exhaustive]
    Panicked {
        /// The panic's message, or a sentence that says so when the payload was not text.
        message: String,
        /// `file:line:column`.
        location: Option<String>,
    },
    /// The actor failed after it had taken this call from its mailbox: what the handler has done
    /// may be done.
    #[error("the actor was lost during the call: {reason}")]
    #[non_exhaustive]
    Lost {
        /// How it failed.
        reason: String,
    },
    /// The actor has ended; this call was not begun.
    #[error("the actor has ended: {reason}")]
    #[non_exhaustive]
    Ended {
        /// That it was told to stop, or how it failed.
        reason: String,
    },
    /// There was no result in time.
    #[error("the actor gave no answer until the time was over")]
    TimedOut,
    /// The mailbox is full.
    #[error("the mailbox of the actor is full")]
    Full,
    /// The argument (parent: the caller) or the result (worker: the actor) could not be encoded.
    #[error("failed to encode on the {side} side: {message}")]
    #[non_exhaustive]
    Encode {
        /// Where it failed.
        side: Side,
        /// What the codec or the value's `Serialize` said.
        message: String,
    },
    /// The argument (worker: the actor) or the result (parent: the caller) could not be decoded.
    #[error("failed to decode on the {side} side: {message}")]
    #[non_exhaustive]
    Decode {
        /// Where it failed.
        side: Side,
        /// What the codec or the value's `Deserialize` said.
        message: String,
    },
    /// The encoded argument (parent: the caller) or result (worker: the actor) is above the limit.
    #[error("{size} bytes on the {side} side exceed the limit of {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// Where the value was.
        side: Side,
        /// Its encoded size in bytes.
        size: usize,
        /// The limit in bytes, see [`ActorBuilder::max_message`](crate::ActorBuilder::max_message).
        limit: usize,
    },
}
