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

/// A direction with this many waiters gets rid of those that went away (a timeout around an accept),
/// see [`Side::thin_out`].
const CROWD: usize = 32;

/// Refers to a source. Void after it was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceId {
    slot: u32,
    generation: u32,
}

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Reading and accepting.
    Read,
    /// Writing and connecting.
    Write,
}

/// Who waits for a direction.
pub(crate) type Waiter = (Waker, Rank);

/// One direction of a source.
#[derive(Debug)]
struct Side {
    /// A call is worth trying.
    ready: bool,
    /// It always will be: the peer closed, or the descriptor failed.
    closed: bool,
    waiters: Vec<Waiter>,
    /// With how many waiters the next look is due at those that went away.
    crowd: usize,
}

impl Default for Side {
    fn default() -> Self {
        Self { ready: false, closed: false, waiters: Vec::new(), crowd: CROWD }
    }
}

impl Side {
    /// Takes out the waiters that may have gone away, to be woken: the tasks that `is_gone` knows to
    /// be, and every waker of another executor, of which nobody can tell; if it still cares, it comes
    /// back. Does so only when there are many, and next time when there are twice as many as those
    /// that may still care: a crowd of any size comes to rest, and its size costs a constant factor.
    fn thin_out(&mut self, is_gone: impl Fn(&Waker) -> Option<bool>) -> Vec<Waiter> {
        if self.waiters.len() < self.crowd {
            return Vec::new();
        }
        let known_gone = |waiter: &mut Waiter| is_gone(&waiter.0) == Some(true);
        let mut out: Vec<Waiter> = self.waiters.extract_if(.., known_gone).collect();
        self.crowd = CROWD.max(2 * self.waiters.len());
        out.extend(self.waiters.extract_if(.., |waiter| is_gone(&waiter.0).is_none()));
        out
    }

    /// Takes all waiters out: there was an event.
    fn release(&mut self) -> std::vec::Drain<'_, Waiter> {
        self.crowd = CROWD;
        self.waiters.drain(..)
    }
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
        let mut waiters = std::mem::take(&mut source.read.waiters);
        waiters.append(&mut source.write.waiters);
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
        sources
            .flat_map(|source| source.read.waiters.into_iter().chain(source.write.waiters))
            .collect()
    }

    /// Whether a call in this direction is worth trying.
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
        let watched = match (source.directions, direction) {
            (Directions::Read, Direction::Write) | (Directions::Write, Direction::Read) => false,
            (Directions::Both, _)
            | (Directions::Read, Direction::Read)
            | (Directions::Write, Direction::Write) => true,
        };
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
        let waiters = &mut side.waiters;
        if let Some(known) = waiters.iter().position(|(waker, _)| waker.will_wake(&waiter.0)) {
            let old = std::mem::replace(&mut waiters[known], waiter);
            self.armed.remove(old.1);
            self.armed.add(rank);
            return (false, vec![old]);
        }
        let away = side.thin_out(is_gone);
        side.waiters.push(waiter);
        self.disarm(&away);
        self.armed.add(rank);
        (true, away)
    }

    /// Takes in an event; moves the waiters to be woken to `woken`.
    pub(crate) fn event(&mut self, event: Ready, woken: &mut Vec<Waiter>) {
        let Some(slot) = SourceId::slot_of(event.token) else { return };
        let Some((generation, Some(source))) = self.entries.get_mut(slot) else { return };
        if token(slot, *generation) != event.token {
            return;
        }
        let before = woken.len();
        if event.read {
            source.read.ready = true;
            source.read.closed |= event.read_closed;
            woken.extend(source.read.release());
        }
        if event.write {
            source.write.ready = true;
            woken.extend(source.write.release());
        }
        for (_, rank) in &woken[before..] {
            self.armed.remove(*rank);
        }
    }

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

    /// The most urgent rank of those who wait and of this one, who may have waited with another rank.
    fn most_urgent(&self, waker: &Waker, rank: Rank) -> Rank {
        let waiters = self.read.waiters.iter().chain(&self.write.waiters);
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
