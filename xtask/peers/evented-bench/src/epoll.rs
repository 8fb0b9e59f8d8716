//! The loop that one writes by hand for this one purpose: what no runtime can be faster than.

use std::os::{fd::OwnedFd, unix::net::UnixStream};

use rustix::{
    buffer::spare_capacity,
    event::epoll,
    net::{RecvFlags, SendFlags, recv, send},
};

use crate::sockets::Pair;

/// Events that are taken at once.
const EVENTS: usize = 1_024;

/// Sockets in a poll set, edge-triggered. Those at even places ask, and those after them answer.
/// With what else there is to do for each message that comes back.
#[derive(Debug)]
pub(crate) struct Raw<D> {
    /// The poll set.
    set: OwnedFd,
    /// The ends of all pairs.
    sockets: Vec<UnixStream>,
    /// What is done besides.
    besides: D,
}

impl<D: Fn()> Raw<D> {
    /// A poll set with these pairs.
    pub(crate) fn new(pairs: Vec<Pair>, besides: D) -> Self {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("descriptors are left");
        let sockets: Vec<_> = pairs.into_iter().flat_map(|(near, far)| [near, far]).collect();
        for (place, socket) in (0..).zip(&sockets) {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            let data = epoll::EventData::new_u64(place);
            epoll::add(&set, socket, data, flags).expect("it is not there yet");
        }
        Self { set, sockets, besides }
    }

    /// Has the first `active` pairs exchange a message so often each, with one `recv` and one `send`
    /// for each event; gives how many came back as they were.
    pub(crate) fn round_trips(&self, active: usize, each: u64, message: &[u8]) -> u64 {
        for place in 0..active {
            self.send(2 * place, message);
        }
        let (mut left, mut open, mut right) = (vec![each; active], active, 0);
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = [0; 512];
        while open > 0 {
            events.clear();
            epoll::wait(&self.set, spare_capacity(&mut events), None).expect("nothing interrupts");
            for event in &events {
                let place = usize::try_from(event.data.u64()).expect("it was one");
                let (read, _) = recv(&self.sockets[place], &mut buffer, RecvFlags::empty())
                    .expect("the event says that there is something");
                if place % 2 == 0 {
                    (self.besides)();
                    right += u64::from(buffer[..read] == *message);
                    left[place / 2] -= 1;
                    if left[place / 2] == 0 {
                        open -= 1;
                        continue;
                    }
                }
                self.send(place, &buffer[..read]);
            }
        }
        right
    }

    /// Sends from this place.
    fn send(&self, place: usize, bytes: &[u8]) {
        let sent = send(&self.sockets[place], bytes, SendFlags::NOSIGNAL).expect("there is room");
        assert_eq!(sent, bytes.len(), "a message fits");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::sockets::pairs;

    #[test]
    fn only_the_active_pairs_exchange_messages() {
        let pairs = pairs(5);
        let idle = [&pairs[3].0, &pairs[4].1].map(|socket| socket.try_clone().unwrap());
        let besides = Cell::new(0);
        let raw = Raw::new(pairs, || besides.set(besides.get() + 1));
        assert_eq!(raw.round_trips(3, 4, b"there and back"), 12);
        assert_eq!(besides.get(), 12);
        for socket in idle {
            assert!(recv(&socket, &mut [0; 1], RecvFlags::empty()).is_err(), "it has got data");
        }
    }
}
