//! A channel between processes, which knows when the other side is gone.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;
use crate::codec;
use crate::error::{RecvError, SendError};
use crate::holders::Holders;
use crate::queue::{BYTES_PER_MESSAGE, MAX_MESSAGES, MIN_BYTES};
use crate::ring::{Direction, Refusal, Ring, SPOILED};
use crate::scope;

pub use crate::holders::MAX_HOLDERS;

/// How long one who does not wait may not notice that the other side was killed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Bytes behind the messages: who holds which end.
const ANNEX: usize = 2 * Holders::WORDS * 8;

/// How long an operation may wait, or that it may not.
#[derive(Clone, Copy)]
enum Until {
    /// Not at all.
    Now,
    /// Until this time of the monotonic clock.
    Deadline(u64),
    /// As long as it takes.
    Forever,
}

impl Until {
    /// When that is.
    fn deadline_ns(self) -> Option<u64> {
        match self {
            Self::Now | Self::Forever => None,
            Self::Deadline(at_ns) => Some(at_ns),
        }
    }
}

/// A side of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Messages go in here.
    Sending,
    /// Messages come out here.
    Receiving,
}

/// A channel for `n` messages: values that are sent into one end come out at the other, in this
/// process or in others. A full channel holds the senders up.
///
/// Like a [`Queue`](crate::Queue), with the difference that each side knows when the other is gone:
/// when all senders are dropped or their processes are dead, [`recv`](Receiver::recv) gives what is
/// left and then [`RecvError::Disconnected`]; when all receivers are, [`send`](Sender::send) is
/// [`SendError::Disconnected`]. An end that was passed to a call counts until the call has ended, or
/// longer if the call has kept it. A killed process is noticed at once if it was executing the call
/// that got the end, and otherwise within 0.1 s.
///
/// It holds as many encoded bytes as a queue: 1 MiB, or 64 for each message, whatever is more, and no
/// message can be longer; [`channel_with_bytes`] changes that. A message that a process has received is gone with it. **Not**
/// guaranteed: fairness among senders.
///
/// ```
/// use processes::{Pool, Sender, channel};
///
/// let pool = Pool::new(2)?;
/// let count = |(numbers, to): (Sender<u32>, u32)| (0..to).for_each(|n| numbers.send(n).unwrap());
/// let (send, receive) = channel(16)?;
/// let calls = [3, 4].map(|to| pool.submit(count, (send.clone(), to)));
/// drop(send);
/// assert_eq!(receive.iter().map(Result::unwrap).sum::<u32>(), 9);
/// calls.into_iter().try_for_each(|call| call.join())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `InvalidInput` when `n` is zero or above 16,777,216; otherwise no descriptors or memory are left.
pub fn channel<T>(n: usize) -> io::Result<(Sender<T>, Receiver<T>)> {
    channel_with_bytes(n, n.saturating_mul(BYTES_PER_MESSAGE).max(MIN_BYTES))
}

/// A [`channel`](channel()) for `n` messages that together take up to `bytes` encoded bytes; that is
/// also the limit for one message.
///
/// # Errors
/// As [`channel`](channel()); also `InvalidInput` when `bytes` is zero.
pub fn channel_with_bytes<T>(n: usize, bytes: usize) -> io::Result<(Sender<T>, Receiver<T>)> {
    if n == 0 || n > MAX_MESSAGES || bytes == 0 {
        let message = format!(
            "a channel for {n} messages and {bytes} bytes is not possible; ask for 1 to \
             {MAX_MESSAGES} messages and at least 1 byte"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let ring = Ring::create_with(n, bytes, ANNEX)?;
    let end = |side| End::open(ring.clone(), side).ok_or(io::ErrorKind::OutOfMemory);
    let (sending, receiving) = (end(Side::Sending)?, end(Side::Receiving)?);
    Ok((
        Sender { end: sending, value: PhantomData },
        Receiver { end: receiving, value: PhantomData },
    ))
}

/// One handle of one side, which is counted.
#[derive(Debug)]
struct End {
    /// The memory.
    ring: Ring,
    /// Which side.
    side: Side,
    /// When it was looked last whether the others live.
    looked_ns: AtomicU64,
}

impl End {
    /// One handle more; none when too many processes have one.
    fn open(ring: Ring, side: Side) -> Option<Self> {
        Self::holders(&ring, side).enter().then(|| Self { ring, side, looked_ns: 0.into() })
    }

    /// The table of a side.
    fn holders(ring: &Ring, side: Side) -> Holders {
        Holders::new(ring, if side == Side::Sending { 0 } else { Holders::WORDS })
    }

    /// The table of the other side.
    fn others(&self) -> Holders {
        let other = if self.side == Side::Sending { Side::Receiving } else { Side::Sending };
        Self::holders(&self.ring, other)
    }

    /// For one who does not wait: whether the other side is gone; looks only now and then.
    fn is_alone(&self) -> bool {
        let now_ns = clock::now_ns();
        if now_ns < self.looked_ns.load(Ordering::Relaxed).saturating_add(clock::to_ns(LOOK_AGAIN))
        {
            return self.ring.is_shut_down();
        }
        self.looked_ns.store(now_ns, Ordering::Relaxed);
        self.others().are_gone()
    }

    /// Another handle, in the same process.
    fn again(&self) -> Self {
        let end = Self::open(self.ring.clone(), self.side);
        end.expect("this process is in the table already")
    }

    /// Has it travel with the argument of a call.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keeper = || Box::new(self.again()) as scope::Keeper;
        let id = scope::send_counted(self.ring.segment(), keeper);
        serializer.serialize_u128(id.map_err(serde::ser::Error::custom)?)
    }

    /// The one that travelled with the argument of a call.
    fn deserialize<'de, D: Deserializer<'de>>(
        side: Side,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let error = <D::Error as serde::de::Error>::custom::<&str>;
        let id = u128::deserialize(deserializer)?;
        let segment = scope::receive(id).map_err(error)?;
        let ring = Ring::adopt_with(Arc::clone(&segment), |_| Some(ANNEX));
        let ring = ring.ok_or_else(|| error("the shared memory is no channel"))?;
        Self::open(ring, side).ok_or_else(|| error("512 processes have this end of the channel"))
    }
}

impl scope::Keep for End {
    fn is_free(&self) -> bool {
        self.ring.is_free()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        Self::holders(&self.ring, self.side).leave();
    }
}

/// The end of a [`channel`](channel()) where values go in.
///
/// A clone is another sender of the same channel. It may be passed to a call, as the argument or
/// anywhere inside of it; serialising it elsewhere is an error, also in a result.
pub struct Sender<T> {
    /// The memory, and that this process is among the senders.
    end: End,
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
        Self { end: self.end.again(), value: PhantomData }
    }
}

/// The end of a [`channel`](channel()) where values come out.
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

/// What both ends have.
macro_rules! end {
    ($end:ident, $side:expr) => {
        impl<T> $end<T> {
            /// How many messages are in the channel now.
            pub fn len(&self) -> usize {
                self.end.ring.len()
            }

            /// True when no message is in the channel now.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many messages fit.
            pub fn capacity(&self) -> usize {
                self.end.ring.capacity()
            }
        }

        /// Works only inside the argument of a call; an error elsewhere.
        impl<T> Serialize for $end<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.end.serialize(serializer)
            }
        }

        /// Works only inside the argument of a call; an error elsewhere.
        impl<'de, T> Deserialize<'de> for $end<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self { end: End::deserialize($side, deserializer)?, value: PhantomData })
            }
        }

        impl<T> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end))
                    .field("type", &std::any::type_name::<T>())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    };
}

end!(Sender, Side::Sending);
end!(Receiver, Side::Receiving);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JoinError, Pool, Queue};

    /// Anything that takes longer is taken for a hang.
    const BOUND: Duration = Duration::from_secs(30);

    /// Says who executes it, and goes on for ever.
    fn holds((_send, entered): (Sender<u8>, Queue<u32>)) {
        entered.put(std::process::id()).unwrap();
        loop {
            std::thread::park();
        }
    }

    /// As when a worker is stopped in the middle of a `send` while another one dies that has an end of the
    /// same channel, which has travelled with a call or with an item of a map.
    #[test]
    fn a_pool_whose_worker_dies_does_not_wait_for_a_channel() {
        for is_item in [false, true] {
            let pool = Pool::new(1).unwrap();
            let (send, receive) = channel::<u8>(1).unwrap();
            let ring = send.end.ring.clone();
            let entered = Queue::bounded(1).unwrap();
            let argument = (send, entered.clone());
            std::thread::scope(|scope| {
                let pool = &pool;
                let item = |argument| pool.map(holds, [argument]).next().unwrap();
                let call = scope.spawn(move || {
                    if is_item { item(argument) } else { pool.submit(holds, argument).join() }
                });
                let worker = i32::try_from(entered.get_timeout(BOUND).unwrap()).unwrap();
                let held = ring.lock();
                let worker = rustix::process::Pid::from_raw(worker).unwrap();
                rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
                let other = pool.submit(|x: u8| x, 3).join_timeout(BOUND);
                // Otherwise nothing here ends.
                drop(held);
                assert_eq!(other.expect("the pool goes on").unwrap(), 3, "an item: {is_item}");
                let lost = call.join().unwrap();
                assert!(matches!(lost, Err(JoinError::WorkerLost { .. })), "{lost:?}");
            });
            assert_eq!(receive.recv_timeout(BOUND), Err(RecvError::Disconnected));
        }
    }

    /// As when a worker is stopped in the middle of a `send` while the call of another one ends.
    #[test]
    fn what_travels_with_a_call_holds_nobody_up() {
        let (send, receive) = channel::<u8>(1).unwrap();
        let ring = send.end.ring.clone();
        let held = ring.lock();
        std::thread::scope(|scope| {
            let ends = scope.spawn(|| scope::release(vec![Box::new(send.end)]));
            let limit = std::time::Instant::now() + Duration::from_secs(30);
            while !ends.is_finished() {
                assert!(std::time::Instant::now() < limit, "it waits for the lock");
                std::thread::yield_now();
            }
            drop(held);
        });
        assert_eq!(receive.recv_timeout(Duration::from_secs(30)), Err(RecvError::Disconnected));
    }
}
