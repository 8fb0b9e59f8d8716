//! Actors: state that one process owns, and others reach by calls.

mod builder;
mod mailbox;
mod owner;
mod reference;
mod serve;

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use builder::ActorBuilder;
pub use reference::ActorRef;

/// The largest that [`ActorBuilder::max_message`] can be: 64 MiB.
pub const MAX_MESSAGE: usize = 64 << 20;

/// So many callers wait for replies at a time; others wait for one of them to go.
pub const MAX_CALLERS: usize = mailbox::SLOTS;

/// Starts a process that makes a state, `init(x)`, and then executes what is sent to it, one call
/// after the other, with access to that state. Returns a reference to it.
///
/// The state stays in that process, so it may be anything: it need not be sent, and no lock is
/// needed. What is sent is a function with its argument; see [`ActorRef::call`].
///
/// Returns when the process has been started, and does not wait for `init`: if that panics, calls
/// are [`ActorError::Ended`](crate::ActorError::Ended). Settings are in [`ActorBuilder`].
///
/// ```
/// use std::collections::HashMap;
///
/// use processes::spawn_actor;
///
/// let stock = spawn_actor(|()| HashMap::<String, u32>::new(), ())?;
/// stock.cast(|stock, (name, n)| *stock.entry(name).or_default() += n, ("pear".to_owned(), 3))?;
/// let pears = stock.call(|stock, name: String| stock.get(&name).copied(), "pear".to_owned())?;
/// assert_eq!(pears, Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`ActorBuilder::spawn`].
pub fn spawn_actor<A, S>(init: fn(A) -> S, x: A) -> io::Result<ActorRef<S>>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    S: 'static,
{
    ActorBuilder::new().spawn(init, x)
}
