//! A bounded queue between processes.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{self, Until};
use crate::codec;
use crate::error::{GetError, PutError};
use crate::ring::{Direction, Refusal, Ring, SPOILED};
use crate::scope;

/// A queue has room for at least this many encoded bytes.
pub(crate) const MIN_BYTES: usize = 1 << 20;

/// For each message a queue has room for at least this many encoded bytes.
pub(crate) const BYTES_PER_MESSAGE: usize = 64;

/// No queue holds more messages.
pub(crate) const MAX_MESSAGES: usize = 1 << 24;

/// A bounded queue of values in shared memory; any number of processes may put and get.
///
/// A clone is another handle of the same queue. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error, and so are handles inside of
/// messages.
///
/// It holds at most as many messages as it was made for, and at most as many encoded bytes: 1 MiB
/// or 64 for each message, whatever is more; [`with_bytes`](Self::with_bytes) changes that.
///
/// A process that is killed inside of `put` or `get` harms nobody: its message is in the queue or
/// it is not. A message that a `get` has taken is gone with the process that took it.
///
/// Messages come out in the order in which the puts were committed. **Not** guaranteed: fairness
/// among those who wait.
pub struct Queue<T> {
    /// The memory.
    ring: Ring,
    /// Values of this type are encoded in it.
    value: PhantomData<fn(T) -> T>,
}

impl<T> Queue<T> {
    /// Its memory.
    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// A queue for `n` messages.
    ///
    /// # Errors
    /// `InvalidInput` when `n` is zero or above 16,777,216; otherwise no descriptors or memory
    /// are left.
    pub fn bounded(n: usize) -> io::Result<Self> {
        Self::with_bytes(n, n.saturating_mul(BYTES_PER_MESSAGE).max(MIN_BYTES))
    }

    /// A queue for `n` messages that together take up to `bytes` encoded bytes; that is also the
    /// limit for one message.
    ///
    /// # Errors
    /// As [`bounded`](Self::bounded); also `InvalidInput` when `bytes` is zero.
    pub fn with_bytes(n: usize, bytes: usize) -> io::Result<Self> {
        if n == 0 || n > MAX_MESSAGES || bytes == 0 {
            let message = format!(
                "a queue of {n} messages and {bytes} bytes is not possible; ask for 1 to \
                 {MAX_MESSAGES} messages and at least 1 byte"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { ring: Ring::create(n, bytes)?, value: PhantomData })
    }

    /// From now on puts fail at once; gets drain what is left and then fail. Wakes everybody who
    /// waits. Calling it again changes nothing.
    pub fn shutdown(&self) {
        self.ring.shut_down();
    }

    /// How many messages are in the queue now.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// True when no message is in the queue now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages fit.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl<T: Serialize> Queue<T> {
    /// Stores a value, waiting for room.
    ///
    /// # Errors
    /// `ShutDown`; `Unsendable` when the value cannot be encoded or can never fit.
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_until(value, Until::Forever)
    }

    /// Stores a value if there is room.
    ///
    /// # Errors
    /// `Full`, and as [`put`](Self::put).
    pub fn try_put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_until(value, Until::Now)
    }

    /// Stores a value, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`put`](Self::put).
    pub fn put_timeout(&self, value: T, timeout: Duration) -> Result<(), PutError<T>> {
        self.put_until(value, Until::Deadline(clock::after_ns(timeout)))
    }

    /// The one way in.
    fn put_until(&self, value: T, until: Until) -> Result<(), PutError<T>> {
        let message = match codec::encode(&value) {
            Ok(message) => message,
            Err(reason) => return Err(PutError::Unsendable(value, reason)),
        };
        loop {
            match self.ring.put(&message) {
                Ok(_number) => return Ok(()),
                Err(Refusal::ShutDown) => return Err(PutError::ShutDown(value)),
                Err(Refusal::Spoiled) => {
                    return Err(PutError::Unsendable(value, SPOILED.to_owned()));
                }
                Err(Refusal::TooLong) => {
                    let reason = format!("{} bytes never fit into this queue", message.len());
                    return Err(PutError::Unsendable(value, reason));
                }
                Err(Refusal::Wait(_)) if matches!(until, Until::Now) => {
                    return Err(PutError::Full(value));
                }
                Err(Refusal::Wait(epoch)) => {
                    if !self.ring.sleep(Direction::Room, epoch, until.deadline_ns()) {
                        return Err(PutError::TimedOut(value));
                    }
                }
            }
        }
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Takes the oldest value, waiting for one.
    ///
    /// # Errors
    /// `ShutDown` once the queue is shut down and empty; `Decode` when the message is no `T`.
    pub fn get(&self) -> Result<T, GetError> {
        self.get_until(Until::Forever)
    }

    /// Takes the oldest value if there is one.
    ///
    /// # Errors
    /// `Empty`, and as [`get`](Self::get).
    pub fn try_get(&self) -> Result<T, GetError> {
        self.get_until(Until::Now)
    }

    /// Takes the oldest value, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        self.get_until(Until::Deadline(clock::after_ns(timeout)))
    }

    /// The one way out.
    fn get_until(&self, until: Until) -> Result<T, GetError> {
        loop {
            match self.ring.get() {
                Ok(message) => return codec::decode(&message).map_err(GetError::Decode),
                Err(Refusal::Wait(_)) if matches!(until, Until::Now) => {
                    return Err(GetError::Empty);
                }
                Err(Refusal::Wait(epoch)) => {
                    if !self.ring.sleep(Direction::Message, epoch, until.deadline_ns()) {
                        return Err(GetError::TimedOut);
                    }
                }
                Err(Refusal::ShutDown | Refusal::TooLong) => return Err(GetError::ShutDown),
                Err(Refusal::Spoiled) => return Err(GetError::Decode(SPOILED.to_owned())),
            }
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { ring: self.ring.clone(), value: PhantomData }
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(self.ring.segment()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_u128(id)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive(id).map_err(serde::de::Error::custom)?;
        let ring = Ring::adopt(Arc::clone(&segment))
            .ok_or_else(|| serde::de::Error::custom("the shared memory is no queue"))?;
        Ok(Self { ring, value: PhantomData })
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("type", &std::any::type_name::<T>())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
