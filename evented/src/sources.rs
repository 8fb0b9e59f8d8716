//! Descriptors in the poll set, and what is known of their readiness.
//!
//! A descriptor is registered edge-triggered when a system call on it first would block, for reading
//! unless it was a write. The cache then says per direction whether a call is worth trying: set by an
//! event, cleared by the next call that would block. No readiness is lost between such a call and the
//! clearing of the cache: an edge in between stays in the kernel's queue until the next turn, which
//! comes after. Nothing in this file runs user code; wakers go in and out by value.

use std::io;
use std::os::fd::RawFd;
use std::task::Waker;

use crate::armed::Armed;
use crate::class::Rank;
use crate::driver::{Directions, Driver, Ready, Watch};

mod waiters;

pub(crate) use waiters::Waiter;

use waiters::Waiters;

/// Refers to a source. Void after it was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceId {
    slot: u32,
    generation: u32,
}

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Reading and accepting.
    Read,
    /// Writing and connecting.
    Write,
}

/// One direction of a source.
#[derive(Debug, Default)]
struct Side {
    /// A call is worth trying.
    ready: bool,
    /// It always will be: the peer closed, or the descriptor failed.
    closed: bool,
    waiters: Waiters,
}

/// A registered descriptor.
#[derive(Debug)]
struct Source {
    fd: RawFd,
    /// What the driver reports.
    directions: Directions,
    /// With which rank.
    rank: Rank,
    read: Side,
    write: Side,
}

/// All sources of a reactor.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The generation of each place, and who has it.
    entries: Vec<(u32, Option<Source>)>,
    /// Free places of `entries`.
    free: Vec<u32>,
    /// How many waiters there are per rank; tells whether somebody more urgent may become ready.
    armed: Armed,
}

impl Sources {
    /// How many descriptors are registered.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// The ranks of which a task waits for a descriptor.
    pub(crate) fn armed(&self) -> u8 {
        self.armed.ranks()
    }

    /// Registers a descriptor for `direction` with the rank of who will wait. Neither direction is taken for ready: if it is, the
    /// driver says so with the next wait.
    pub(crate) fn insert(
        &mut self,
        driver: &mut dyn Driver,
        fd: RawFd,
        direction: Direction,
        rank: Rank,
    ) -> io::Result<SourceId> {
        let directions = match direction {
            Direction::Read => Directions::Read,
            Direction::Write => Directions::Write,
        };
        let slot = if let Some(slot) = self.free.pop() {
            slot
        } else {
            self.entries.push((0, None));
            u32::try_from(self.entries.len() - 1).expect("descriptors are fewer than 2^31")
        };
        let (generation, place) = &mut self.entries[slot as usize];
        let id = SourceId { slot, generation: *generation };
        if let Err(error) = driver.register(Watch { fd, token: id.token(), directions, rank }) {
            self.free.push(slot);
            return Err(error);
        }
        *place =
            Some(Source { fd, directions, rank, read: Side::default(), write: Side::default() });
        Ok(id)
    }

    /// Forgets a source and hands its waiters back. With a driver, ends the registration, too;
    /// without, the caller closes the descriptor.
    ///
    /// The waiters come back in any case: no waker is dropped in here.
    pub(crate) fn remove(
        &mut self,
        id: SourceId,
        driver: Option<&mut dyn Driver>,
    ) -> (Vec<Waiter>, io::Result<()>) {
        let Some(source) = self.get_mut(id) else { return (Vec::new(), Ok(())) };
        let (fd, rank) = (source.fd, source.rank);
        let mut waiters = source.read.waiters.take();
        waiters.append(&mut source.write.waiters.take());
        let (generation, place) = &mut self.entries[id.slot as usize];
        *generation = generation.wrapping_add(1);
        *place = None;
        self.free.push(id.slot);
        self.disarm(&waiters);
        (waiters, driver.map_or(Ok(()), |driver| driver.deregister(fd, rank)))
    }

    /// Forgets all sources and hands their waiters back.
    pub(crate) fn clear(&mut self) -> Vec<Waiter> {
        self.armed = Armed::default();
        self.free.clear();
        let sources = self.entries.drain(..).filter_map(|(_, source)| source);
        let sides = sources.flat_map(|source| [source.read, source.write]);
        sides.flat_map(|mut side| side.waiters.take()).collect()
    }

    /// Whether a call in this direction is worth trying.
    #[inline]
    pub(crate) fn is_ready(&self, id: SourceId, direction: Direction) -> bool {
        self.get(id).is_none_or(|source| source.side(direction).ready)
    }

    /// A call would block: waits for the next event, which the driver is asked to report, with the
    /// most urgent rank of those who wait and of this one.
    pub(crate) fn would_block(
        &mut self,
        driver: &mut dyn Driver,
        id: SourceId,
        direction: Direction,
        (waker, rank): (&Waker, Rank),
    ) -> io::Result<()> {
        let Some(source) = self.get_mut(id) else { return Ok(()) };
        source.side_mut(direction).ready = false;
        let watched = source.watches(direction);
        let directions = if watched { source.directions } else { Directions::Both };
        let rank = source.most_urgent(waker, rank);
        let watch = Watch { fd: source.fd, token: id.token(), directions, rank };
        if rank != source.rank {
            // In this order: if the first step fails, all is as it was.
            driver.register(watch)?;
            driver.deregister(source.fd, source.rank)?;
            source.rank = rank;
        } else if !watched {
            driver.reregister(watch)?;
        }
        source.directions = directions;
        Ok(())
    }

    /// As [`would_block`](Self::would_block) and [`wait`](Self::wait) in one, where both are simple:
    /// the direction is watched with this rank, and nobody else waits for it. `Ok(Some)` gives back a
    /// waiter that is there already, to be dropped; `Err` one for which nothing was done.
    #[inline]
    pub(crate) fn wait_alone(
        &mut self,
        id: SourceId,
        direction: Direction,
        waiter: Waiter,
    ) -> Result<Option<Waiter>, Waiter> {
        let rank = waiter.1;
        // The rank of a source is that of the most urgent one who waits, and this is no more urgent.
        let source = self.get_mut(id).filter(|it| it.rank == rank && it.watches(direction));
        let Some(source) = source else { return Err(waiter) };
        let side = source.side_mut(direction);
        let known = side.waiters.wait_alone(waiter)?;
        side.ready = false;
        if known.is_none() {
            self.armed.add(rank);
        }
        Ok(known)
    }

    /// A read gave less than was asked for: the next one would block, unless the peer has closed.
    /// Sound for streams with edge-triggered events, see epoll(7), question 9.
    pub(crate) fn short_read(&mut self, id: SourceId) {
        if let Some(source) = self.get_mut(id)
            && source.directions != Directions::Write
            && !source.read.closed
        {
            source.read.ready = false;
        }
    }

    /// Adds a waiter to a direction, once. Hands back those that must be woken or dropped: true, to
    /// be woken. `is_gone` tells whether a task has ended; none for wakers of other executors.
    pub(crate) fn wait(
        &mut self,
        id: SourceId,
        direction: Direction,
        waiter: Waiter,
        is_gone: impl Fn(&Waker) -> Option<bool>,
    ) -> (bool, Vec<Waiter>) {
        let rank = waiter.1;
        let Some(source) = self.get_mut(id) else { return (true, vec![waiter]) };
        let side = source.side_mut(direction);
        let waiter = match side.waiters.renew(waiter) {
            Ok(old) => {
                self.armed.remove(old.1);
                self.armed.add(rank);
                return (false, vec![old]);
            }
            Err(waiter) => waiter,
        };
        let away = side.waiters.thin_out(is_gone);
        side.waiters.push(waiter);
        self.disarm(&away);
        self.armed.add(rank);
        (true, away)
    }

    /// Takes in an event, and gives back the waiters to be woken: the first one of each direction, and
    /// in `others`, which is empty, those after them.
    pub(crate) fn event(&mut self, event: Ready, others: &mut Vec<Waiter>) -> [Option<Waiter>; 2] {
        let Some(slot) = SourceId::slot_of(event.token) else { return [None, None] };
        let Some((generation, Some(source))) = self.entries.get_mut(slot) else {
            return [None, None];
        };
        if token(slot, *generation) != event.token {
            return [None, None];
        }
        let mut first = [None, None];
        if event.read {
            source.read.ready = true;
            source.read.closed |= event.read_closed;
            first[0] = source.read.waiters.release(others);
        }
        if event.write {
            source.write.ready = true;
            first[1] = source.write.waiters.release(others);
        }
        if let Some((_, rank)) = &first[0] {
            self.armed.remove(*rank);
        }
        if let Some((_, rank)) = &first[1] {
            self.armed.remove(*rank);
        }
        self.disarm(others);
        first
    }

    /// These wait no more.
    fn disarm(&mut self, waiters: &[Waiter]) {
        for (_, rank) in waiters {
            self.armed.remove(*rank);
        }
    }

    fn get(&self, id: SourceId) -> Option<&Source> {
        let (generation, source) = self.entries.get(id.slot as usize)?;
        if *generation == id.generation { source.as_ref() } else { None }
    }

    fn get_mut(&mut self, id: SourceId) -> Option<&mut Source> {
        let (generation, source) = self.entries.get_mut(id.slot as usize)?;
        if *generation == id.generation { source.as_mut() } else { None }
    }
}

impl Source {
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Whether the driver reports this direction.
    #[inline]
    fn watches(&self, direction: Direction) -> bool {
        match self.directions {
            Directions::Both => true,
            Directions::Read => direction == Direction::Read,
            Directions::Write => direction == Direction::Write,
        }
    }

    /// The most urgent rank of those who wait and of this one, who may have waited with another rank.
    fn most_urgent(&self, waker: &Waker, rank: Rank) -> Rank {
        let waiters = self.read.waiters.iter().chain(self.write.waiters.iter());
        let others = waiters.filter(|(other, _)| !other.will_wake(waker));
        others.map(|waiter| waiter.1).fold(rank, Rank::min)
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

impl SourceId {
    fn token(self) -> usize {
        token(self.slot as usize, self.generation)
    }

    fn slot_of(token: usize) -> Option<usize> {
        (token >> 62 == 0).then_some(token & 0x7FFF_FFFF)
    }
}

/// Slot in the low 31 bits, generation in the next 31: never one of the driver's own tokens.
fn token(slot: usize, generation: u32) -> usize {
    slot | ((generation as usize & 0x7FFF_FFFF) << 31)
}

#[cfg(test)]
mod tests;
