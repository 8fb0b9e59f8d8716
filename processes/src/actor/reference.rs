//! A reference to an actor: calls and casts.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::Post;
use crate::clock::{self, Until};
use crate::codec;
use crate::error::{ActorError, Side};
use crate::scope;

use super::mailbox::{Mailbox, Reply, Slot, Verdict};
use super::serve::{self, Kind};

/// A reference to an actor whose state is an `S`.
///
/// A clone is another reference to the same actor. It may be passed to a call, as the argument or
/// anywhere inside of it, so that a worker can use the actor; serialising it elsewhere is an error,
/// also in a result or in a message.
///
/// The actor ends when it is told to ([`stop`](Self::stop)), when the last reference is gone (also
/// by the death of the process that had it), when it fails, and with the process that started it.
///
/// # What becomes of a call
///
/// | the actor | a call that it executes | a call that waits in the mailbox |
/// |---|---|---|
/// | is stopped, or loses its last reference | ends | is executed |
/// | panics in this call | [`Panicked`](ActorError::Panicked) | [`Ended`](ActorError::Ended); with a restart left, it waits for that |
/// | dies (killed, crash, `exit`) | [`Lost`](ActorError::Lost) | likewise |
///
/// No caller waits for an actor that is gone, in whatever process it is. A call is executed at most
/// once.
///
/// A panic ends the actor, as the state may be half-changed, like a value in a poisoned lock. A
/// handler that can fail returns a `Result`, which travels as a value; one that wants to survive a
/// panic catches it.
///
/// A reference comes to an actor only with the argument of its `init`, and so only one that existed
/// before: no actor can wait for itself, or for others in a circle.
///
/// **Not** guaranteed: fairness among callers.
pub struct ActorRef<S> {
    /// The memory.
    pub(super) mailbox: Mailbox,
    /// Whether it counts: until it was let go.
    counts: bool,
    /// What is sent takes an `S`.
    state: PhantomData<fn(S)>,
}

impl<S: 'static> ActorRef<S> {
    /// Has the actor execute `f(&mut state, x)`, and waits for the result.
    ///
    /// `f` is a function, or a closure that captures nothing; see
    /// [`Pool::submit`](crate::Pool::submit). Shared objects (a [`Queue`](crate::Queue) and the
    /// like) cannot be in `x` or in the result; give them to `init`.
    ///
    /// ```compile_fail,E0308
    /// let actor = processes::spawn_actor(|n: u64| n, 1)?;
    /// let factor = 3;
    /// let product = actor.call(|n, ()| *n * factor, ());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Pass what it needs as the argument: `actor.call(|n, factor| *n * factor, 3)`.
    ///
    /// # Errors
    /// Every way it can fail, see [`ActorError`].
    ///
    /// # Panics
    /// If the result's own `Deserialize` panics.
    pub fn call<A, R>(&self, f: fn(&mut S, A) -> R, x: A) -> Result<R, ActorError>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.call_until(f, x, Until::Forever)
    }

    /// As [`call`](Self::call), but waits no longer than `limit`, for room in the mailbox and the
    /// result together.
    ///
    /// When time is over, a call that waits in the mailbox is still executed later; its result is
    /// thrown away.
    ///
    /// # Errors
    /// [`ActorError::TimedOut`], and as [`call`](Self::call).
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn call_timeout<A, R>(
        &self,
        f: fn(&mut S, A) -> R,
        x: A,
        limit: Duration,
    ) -> Result<R, ActorError>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.call_until(f, x, Until::Deadline(clock::after_ns(limit)))
    }

    /// Has the actor execute `f(&mut state, x)`, and does not wait for it, except for room in the
    /// mailbox. What one process casts is executed in this order.
    ///
    /// Nobody is told whether it was executed: it is not when the actor fails before. A panic ends
    /// the actor.
    ///
    /// # Errors
    /// The actor has ended, or `x` cannot be sent.
    pub fn cast<A>(&self, f: fn(&mut S, A), x: A) -> Result<(), ActorError>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        self.cast_until(f, x, Until::Forever)
    }

    /// As [`cast`](Self::cast), but does not wait for room.
    ///
    /// # Errors
    /// [`ActorError::Full`], and as [`cast`](Self::cast).
    pub fn try_cast<A>(&self, f: fn(&mut S, A), x: A) -> Result<(), ActorError>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        self.cast_until(f, x, Until::Now)
    }

    /// The one way to call.
    fn call_until<A, R>(&self, f: fn(&mut S, A) -> R, x: A, until: Until) -> Result<R, ActorError>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let post = Post::new(f).map_err(encode_error)?;
        let message = self.encode(&post, x)?;
        let slot = self.mailbox.take_slot(until.deadline_ns()).map_err(|v| failure(v, until))?;
        let number = self.put(Some(&slot), &message, until)?;
        let reply = self.mailbox.wait(&slot, number, until.deadline_ns());
        open(reply.map_err(|verdict| failure(verdict, until))?, self.mailbox.max_message())
    }

    /// The one way to cast.
    fn cast_until<A>(&self, f: fn(&mut S, A), x: A, until: Until) -> Result<(), ActorError>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        let post = Post::new(f).map_err(encode_error)?;
        let message = self.encode(&post, x)?;
        self.put(None, &message, until).map(drop)
    }

    /// Encodes an argument.
    fn encode<A: Serialize>(&self, post: &Post, x: A) -> Result<Vec<u8>, ActorError> {
        let mut message = serve::header(post);
        let before = message.len();
        codec::encode_into(&x, &mut message).map_err(encode_error)?;
        drop(x);
        let (size, limit) = (message.len() - before, self.mailbox.max_message());
        if size > limit {
            return Err(ActorError::TooLarge { side: Side::Parent, size, limit });
        }
        Ok(message)
    }

    /// Puts a message into the mailbox, and gives its number.
    fn put(&self, slot: Option<&Slot>, message: &[u8], until: Until) -> Result<u64, ActorError> {
        let message = serve::addressed(message, slot);
        let put = self.mailbox.put(&message, until.deadline_ns());
        put.map_err(|verdict| {
            if let Some(slot) = slot {
                self.mailbox.free(slot);
            }
            failure(verdict, until)
        })
    }
}

impl<S> ActorRef<S> {
    /// One reference more; none when too many processes have one.
    pub(super) fn open(mailbox: Mailbox) -> Option<Self> {
        let counts = mailbox.holders().enter();
        counts.then_some(Self { mailbox, counts, state: PhantomData })
    }

    /// Tells the actor to end after what is in its mailbox; from now on calls are
    /// [`ActorError::Ended`]. Does not wait for it. Calling it again changes nothing.
    ///
    /// The state is dropped in the actor's process, and then that ends.
    pub fn stop(&self) {
        self.mailbox.stop();
    }

    /// Waits until the actor has ended, and says how; it does not tell it to.
    ///
    /// # Errors
    /// [`ActorError::Ended`] with the reason, when it has failed.
    pub fn join(&self) -> Result<(), ActorError> {
        self.mailbox.join(None).expect("a wait without a limit ends with the actor")
    }

    /// As [`join`](Self::join), but gives none when it has not ended within `limit`.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, limit: Duration) -> Option<Result<(), ActorError>> {
        self.mailbox.join(Some(clock::after_ns(limit)))
    }

    /// Whether it has ended, and will not be started again.
    pub fn is_finished(&self) -> bool {
        self.join_timeout(Duration::ZERO).is_some()
    }

    /// Kills its process (SIGKILL), whatever it is doing. It is started again if
    /// [`ActorBuilder::restarts`](crate::ActorBuilder::restarts) says so. False when there is no process that
    /// serves: it has ended, or the next one was started and has not yet come to `init`.
    pub fn kill(&self) -> bool {
        self.mailbox.life().is_some_and(crate::life::Life::kill)
    }

    /// The id of its process, once that has begun to serve.
    pub fn pid(&self) -> Option<u32> {
        self.mailbox.life().map(|life| life.pid)
    }

    /// How often it has begun to serve: 1, and more with each restart.
    pub fn starts(&self) -> u64 {
        self.mailbox.starts()
    }

    /// How many messages wait for it now.
    pub fn len(&self) -> usize {
        self.mailbox.len()
    }

    /// True when no message waits for it now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The value in a reply.
fn open<R: DeserializeOwned>(reply: Reply, limit: usize) -> Result<R, ActorError> {
    let Reply { kind, bytes } = reply;
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    let decode = |message| ActorError::Decode { side: Side::Parent, message };
    match Kind::of(kind) {
        Some(Kind::Value) => codec::decode(&bytes).map_err(decode),
        Some(Kind::Panicked) => {
            let (message, location) = codec::decode(&bytes).map_err(decode)?;
            Err(ActorError::Panicked { message, location })
        }
        Some(Kind::BadArgument) => Err(ActorError::Decode { side: Side::Worker, message: text() }),
        Some(Kind::BadResult) => Err(ActorError::Encode { side: Side::Worker, message: text() }),
        Some(Kind::TooLarge) => {
            let size = codec::decode(&bytes).map_err(decode)?;
            Err(ActorError::TooLarge { side: Side::Worker, size, limit })
        }
        None => Err(decode(format!("there is no reply of kind {kind}"))),
    }
}

/// What became of a call that has no reply.
fn failure(verdict: Verdict, until: Until) -> ActorError {
    match verdict {
        Verdict::Over if matches!(until, Until::Now) => ActorError::Full,
        Verdict::Over => ActorError::TimedOut,
        Verdict::Lost(reason) => ActorError::Lost { reason },
        Verdict::Ended(reason) => ActorError::Ended { reason },
    }
}

/// On this side.
fn encode_error(message: String) -> ActorError {
    ActorError::Encode { side: Side::Parent, message }
}

impl<S> Clone for ActorRef<S> {
    fn clone(&self) -> Self {
        Self::open(self.mailbox.clone()).expect("this process is in the table already")
    }
}

impl<S> scope::Keep for ActorRef<S> {
    fn let_go(&mut self) -> bool {
        if self.counts && self.mailbox.holders().leave_soon() {
            self.counts = false;
        }
        !self.counts
    }
}

impl<S> Drop for ActorRef<S> {
    fn drop(&mut self) {
        if self.counts {
            self.mailbox.holders().leave();
        }
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<S: 'static> Serialize for ActorRef<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let keeper = || Box::new(self.clone()) as scope::Keeper;
        let id = scope::send_counted(self.mailbox.segment(), keeper);
        serializer.serialize_u128(id.map_err(serde::ser::Error::custom)?)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de, S> Deserialize<'de> for ActorRef<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mailbox = Mailbox::deserialize(deserializer)?;
        let error = <D::Error as serde::de::Error>::custom::<&str>;
        Self::open(mailbox).ok_or_else(|| error("512 processes have a reference to the actor"))
    }
}

impl<S> fmt::Debug for ActorRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorRef")
            .field("state", &std::any::type_name::<S>())
            .field("starts", &self.starts())
            .finish_non_exhaustive()
    }
}
