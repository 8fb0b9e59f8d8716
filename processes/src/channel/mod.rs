//! A channel between processes, which knows when the other side is gone.

mod end;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::io;

use crate::queue::{BYTES_PER_MESSAGE, MAX_MESSAGES, MIN_BYTES};
use crate::ring::Ring;

pub use crate::holders::MAX_HOLDERS;
pub use receiver::Receiver;
pub use sender::Sender;

use end::{ANNEX, End, Side};

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
/// message can be longer; [`channel_with_bytes`] changes that. A message that a process has received is
/// gone with it. **Not** guaranteed: fairness among senders.
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
///
/// [`RecvError::Disconnected`]: crate::RecvError::Disconnected
/// [`SendError::Disconnected`]: crate::SendError::Disconnected
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
    Ok((Sender::new(sending), Receiver::new(receiving)))
}
