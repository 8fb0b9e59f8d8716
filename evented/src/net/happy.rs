//! Connecting to a host with several addresses: "happy eyeballs", RFC 8305.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::TcpStream;
use crate::time::{Sleep, now, sleep};

/// How long an attempt is the only new one before the next address is tried beside it: the recommended
/// value of RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to whichever of the addresses answers first, in the way of RFC 8305.
///
/// The families take turns, beginning with that of the first address; within a family the order is
/// kept. An attempt gets a head start of 250 ms before the next one is made beside it, and none when
/// it fails earlier. The first connection wins, and all other attempts are given up and their sockets
/// closed. An address that is there twice is tried once.
///
/// The look-up is not part of this: see [`TcpStream::connect_host`].
///
/// Dropping the future gives up all attempts.
///
/// # Errors
///
/// `InvalidInput` without an address. When all attempts fail: the error itself if there was one, else
/// one with the kind of the last failure, whose text has all of them.
///
/// # Panics
///
/// Outside a reactor.
pub async fn connect_happy(
    addresses: impl IntoIterator<Item = SocketAddr>,
) -> io::Result<TcpStream> {
    connect_happy_with(addresses, TcpStream::connect).await
}

/// As [`connect_happy`], with another way to connect: a handshake that counts as part of an attempt, or
/// a test.
///
/// ```
/// use std::time::Duration;
/// use evented::net::connect_happy_with;
///
/// let reactor = evented::Reactor::builder().virtual_time().build()?;
/// let winner = reactor.block_on(async {
///     let addresses = ["[2001:db8::1]:80", "192.0.2.1:80"].map(|text| text.parse().unwrap());
///     connect_happy_with(addresses, |address: std::net::SocketAddr| async move {
///         // The first never answers.
///         evented::sleep(if address.is_ipv6() { Duration::MAX } else { Duration::ZERO }).await;
///         Ok(address)
///     })
///     .await
/// })?;
/// assert!(winner.is_ipv4());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// As [`connect_happy`].
///
/// # Panics
///
/// Outside a reactor.
pub async fn connect_happy_with<T, F>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    connect: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let waiting = interleave(addresses);
    if waiting.is_empty() {
        let text = "there is no address to connect to";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let next = sleep(Duration::ZERO);
    let mut race = Race { waiting, connect, next, running: Vec::new(), failed: Vec::new() };
    poll_fn(|cx| race.poll(cx)).await
}

/// An attempt that is under way.
struct Attempt<F> {
    address: SocketAddr,
    connecting: Pin<Box<F>>,
}

/// The attempts of one call.
struct Race<C, F> {
    /// Addresses that were not tried yet.
    waiting: VecDeque<SocketAddr>,
    /// How to try one.
    connect: C,
    /// Ends when the next one is to be tried, whatever the others do.
    next: Sleep,
    /// The oldest first.
    running: Vec<Attempt<F>>,
    /// Why those that are over came to nothing.
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<T, C, F> Race<C, F>
where
    C: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Some(winner) = self.poll_running(cx) {
                return Poll::Ready(Ok(winner));
            }
            let Some(&address) = self.waiting.front() else {
                let is_over = self.running.is_empty();
                return if is_over { Poll::Ready(Err(self.failure())) } else { Poll::Pending };
            };
            // A failure makes way for the next one at once.
            if !self.running.is_empty() && Pin::new(&mut self.next).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.waiting.pop_front();
            let connecting = Box::pin((self.connect)(address));
            self.running.push(Attempt { address, connecting });
            self.next.reset(now() + ATTEMPT_DELAY);
        }
    }

    /// Polls those that run, the oldest first. A failure ends the head start of the newest.
    fn poll_running(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut index = 0;
        while let Some(attempt) = self.running.get_mut(index) {
            match attempt.connecting.as_mut().poll(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(winner)) => return Some(winner),
                Poll::Ready(Err(error)) => {
                    let attempt = self.running.remove(index);
                    self.failed.push((attempt.address, error));
                    self.next.reset(now());
                }
            }
        }
        None
    }

    /// All have failed.
    fn failure(&mut self) -> io::Error {
        let mut failed = std::mem::take(&mut self.failed);
        let (_, last) = failed.last().expect("there was an address, and no attempt runs or won");
        let kind = last.kind();
        if failed.len() == 1
            && let Some((_, only)) = failed.pop()
        {
            return only;
        }
        let each = failed.iter().map(|(address, error)| format!("{address}: {error}"));
        let text = format!("no address answers: {}", each.collect::<Vec<_>>().join("; "));
        io::Error::new(kind, text)
    }
}

/// The addresses, each once, with the families taking turns.
fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut families: [VecDeque<SocketAddr>; 2] = Default::default();
    let mut first = None;
    for address in addresses {
        first = first.or(Some(address.is_ipv6()));
        let family = &mut families[usize::from(Some(address.is_ipv6()) != first)];
        if !family.contains(&address) {
            family.push_back(address);
        }
    }
    let [mut first, mut second] = families;
    let mut order = VecDeque::with_capacity(first.len() + second.len());
    while !first.is_empty() || !second.is_empty() {
        order.extend(first.pop_front());
        order.extend(second.pop_front());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::1]:2", "[::1]:1", "1.1.1.1:1", "[::1]:3", "1.1.1.1:2"];
        let wanted = ["[::1]:1", "1.1.1.1:1", "[::1]:2", "1.1.1.1:2", "[::1]:3"];
        assert_eq!(interleave(addresses(&given)), addresses(&wanted));
        let given = ["1.1.1.1:1", "1.1.1.1:2", "[::1]:1"];
        let wanted = ["1.1.1.1:1", "[::1]:1", "1.1.1.1:2"];
        assert_eq!(interleave(addresses(&given)), addresses(&wanted));
        assert!(interleave([]).is_empty());
    }
}
