//! The end where values come out.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{self, Until};
use crate::codec;
use crate::error::RecvError;
use crate::holders::Holders;
use crate::ring::{Direction, Refusal, Ring, SPOILED};

use super::end::{End, Side, handle};

/// The end of a [`channel`](crate::channel()) where values come out.
///
/// There is one: it is moved, to another thread or, inside of its argument, to a call. It comes back
/// to nobody; the channel is disconnected when that call has ended.
pub struct Receiver<T> {
    /// The memory, and that this process is among the receivers.
    end: End,
    /// Values of this type are decoded.
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives the oldest value, waiting for one.
    ///
    /// # Errors
    /// `Disconnected` once no sender is left and all was received; `Decode` when the message is no
    /// `T`.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(Until::Forever)
    }

    /// Receives the oldest value if there is one.
    ///
    /// # Errors
    /// `Empty`, and as [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<T, RecvError> {
        self.recv_until(Until::Now)
    }

    /// Receives the oldest value, waiting for one no longer than `limit`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`recv`](Self::recv).
    pub fn recv_timeout(&self, limit: Duration) -> Result<T, RecvError> {
        self.recv_until(Until::Deadline(clock::after_ns(limit)))
    }

    /// The values as they come, until no sender is left; an item is an error only when a message is
    /// no `T`.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, RecvError>> {
        std::iter::from_fn(|| match self.recv() {
            Err(RecvError::Disconnected) => None,
            result => Some(result),
        })
    }

    /// The one way out.
    fn recv_until(&self, until: Until) -> Result<T, RecvError> {
        loop {
            match self.end.ring.get() {
                Ok(message) => return codec::decode(&message).map_err(RecvError::Decode),
                Err(Refusal::ShutDown | Refusal::TooLong) => return Err(RecvError::Disconnected),
                Err(Refusal::Spoiled) => return Err(RecvError::Decode(SPOILED.to_owned())),
                Err(Refusal::Wait(epoch)) => {
                    if matches!(until, Until::Now) {
                        // If they are gone now, what they sent before may have come meanwhile.
                        if self.end.is_alone() {
                            continue;
                        }
                        return Err(RecvError::Empty);
                    }
                    let others = self.end.others();
                    if !others.sleep(Direction::Message, epoch, until.deadline_ns()) {
                        return Err(RecvError::TimedOut);
                    }
                }
            }
        }
    }
}

impl<T> Receiver<T> {
    /// What a [`Select`](crate::Select) looks at: the messages, and whether senders are left.
    pub(crate) fn parts(&self) -> (&Ring, Holders) {
        (&self.end.ring, self.end.others())
    }
}

handle!(Receiver, Side::Receiving);
