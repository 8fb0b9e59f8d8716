//! The end where values go in.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{self, Until};
use crate::codec;
use crate::error::SendError;
use crate::ring::{Direction, Refusal, SPOILED};

use super::end::{End, Side, handle};

/// The end of a [`channel`](crate::channel()) where values go in.
///
/// A clone is another sender of the same channel. It may be passed to a call, as the argument or
/// anywhere inside of it; serialising it elsewhere is an error, also in a result.
pub struct Sender<T> {
    /// The memory, and that this process is among the senders.
    pub(super) end: End,
    /// Values of this type are encoded.
    value: PhantomData<fn(T)>,
}

impl<T: Serialize> Sender<T> {
    /// Sends a value, waiting for room.
    ///
    /// # Errors
    /// `Disconnected` when no receiver is left; `Unsendable` when the value cannot be encoded or
    /// can never fit.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, Until::Forever)
    }

    /// Sends a value if there is room.
    ///
    /// # Errors
    /// `Full`, and as [`send`](Self::send).
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, Until::Now)
    }

    /// Sends a value, waiting for room no longer than `limit`.
    ///
    /// # Errors
    /// `TimedOut`, and as [`send`](Self::send).
    pub fn send_timeout(&self, value: T, limit: Duration) -> Result<(), SendError<T>> {
        self.send_until(value, Until::Deadline(clock::after_ns(limit)))
    }

    /// The one way in.
    fn send_until(&self, value: T, until: Until) -> Result<(), SendError<T>> {
        let message = match codec::encode(&value) {
            Ok(message) => message,
            Err(reason) => return Err(SendError::Unsendable(value, reason)),
        };
        // A message into a channel whose receivers were killed would be lost.
        if self.end.is_alone() {
            return Err(SendError::Disconnected(value));
        }
        loop {
            match self.end.ring.put(&message) {
                Ok(_number) => return Ok(()),
                Err(Refusal::ShutDown) => return Err(SendError::Disconnected(value)),
                Err(Refusal::Spoiled) => {
                    return Err(SendError::Unsendable(value, SPOILED.to_owned()));
                }
                Err(Refusal::TooLong) => {
                    let reason = format!("{} bytes never fit into this channel", message.len());
                    return Err(SendError::Unsendable(value, reason));
                }
                Err(Refusal::Wait(epoch)) => {
                    if matches!(until, Until::Now) {
                        return Err(SendError::Full(value));
                    }
                    let others = self.end.others();
                    if !others.sleep(Direction::Room, epoch, until.deadline_ns()) {
                        return Err(SendError::TimedOut(value));
                    }
                }
            }
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self::new(self.end.again())
    }
}

handle!(Sender, Side::Sending);
