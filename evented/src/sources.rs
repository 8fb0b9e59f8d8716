//! Descriptors in the poll set, and what is known of their readiness.
//!
//! A descriptor is registered edge-triggered when a system call on it first would block, for the
//! direction of that call. The other direction is not watched until a call in it would block, too:
//! until then each call is tried, and a peer that makes room for more by reading causes no event.
//!
//! For a direction that is watched, the cache says whether a call is worth trying: set by an event,
//! cleared by the next call that would block, and by a read after which the next one would. No
//! readiness is lost between such a call and the clearing of the cache: an edge in between stays in the
//! kernel's queue until the next turn, which comes after.
//!
//! Everything is in cells: a source is looked up once for a system call and what follows from it, and
//! nothing is borrowed while user code runs. None runs in this file, but for what an event wakes; wakers
//! go in and out by value.

use std::cell::{Cell, OnceCell};
use std::io;
use std::os::fd::RawFd;
use std::task::Waker;

use crate::armed::Armed;
use crate::chunks::{CAPACITY, Chunks};
use crate::class::{Class, Rank};
use crate::driver::{Driver, Ready, Watch};

mod flags;
mod waiters;

pub(crate) use waiters::Waiter;

use flags::Flags;
use waiters::Waiters;

/// No place.
const NONE: u32 = u32::MAX;

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

/// A registered descriptor, or a free place for one. In a cache line of its own.
#[repr(align(64))]
pub(crate) struct Source {
    /// How often the place was freed.
    generation: Cell<u32>,
    fd: Cell<RawFd>,
    /// The next free place, in one that is free.
    next_free: Cell<u32>,
    /// What the driver reports, and what it has reported.
    flags: Cell<Flags>,
    /// With which rank.
    rank: Cell<Rank>,
    /// Who waits to read.
    readers: Waiters,
    /// Who waits to write; made for the first one, and kept.
    writers: OnceCell<Box<Waiters>>,
}

/// All sources of a reactor.
pub(crate) struct Sources {
    /// Those that are registered, and free places.
    entries: Chunks<Source>,
    /// Places below this one have been used.
    used: Cell<u32>,
    /// The first free place of those.
    free: Cell<u32>,
    /// How many are registered.
    len: Cell<usize>,
    /// How many waiters there are per rank; tells whether somebody more urgent may become ready.
    armed: Armed,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            entries: Chunks::new(),
            used: Cell::new(0),
            free: Cell::new(NONE),
            len: Cell::new(0),
            armed: Armed::default(),
        }
    }
}

impl Sources {
    /// How many descriptors are registered.
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// The ranks of which a task waits for a descriptor.
    #[inline]
    pub(crate) fn armed(&self) -> u8 {
        self.armed.ranks()
    }

    /// A source; none if it was removed.
    #[inline]
    pub(crate) fn get(&self, id: SourceId) -> Option<&Source> {
        self.entries.find(id.slot).filter(|source| source.generation.get() == id.generation)
    }

    /// Registers a descriptor for `direction` with the rank of who will wait. The direction is not taken
    /// for ready: if it is, the driver says so with the next wait.
    pub(crate) fn insert(
        &self,
        driver: &mut dyn Driver,
        fd: RawFd,
        direction: Direction,
        rank: Rank,
    ) -> io::Result<SourceId> {
        let (slot, is_fresh) = match self.free.get() {
            NONE => (self.used.get(), true),
            free => (free, false),
        };
        if slot >= CAPACITY {
            let text = format!("a reactor watches at most {CAPACITY} descriptors");
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        let source = self.entries.get(slot);
        let id = SourceId { slot, generation: source.generation.get() };
        let flags = Flags::LIVE.with(Flags::watched(direction));
        let rank = driver.rank_for(rank);
        let watch = Watch { fd, token: id.token(), directions: flags.directions(), rank };
        self.register(driver, watch, slot)?;
        if is_fresh {
            self.used.set(slot + 1);
        } else {
            self.free.set(source.next_free.get());
        }
        source.fd.set(fd);
        source.flags.set(flags);
        source.rank.set(rank);
        self.len.set(self.len.get() + 1);
        Ok(id)
    }

    /// Registers the descriptor of the source in this place.
    ///
    /// A descriptor is in the poll set until its *open file* is closed: one that was closed while a duplicate of
    /// it lives on is still there, under a number that has been given to somebody else since. If that is another
    /// duplicate of the same open file, the system takes it for the old one. That is void, unless a source is
    /// alive that has the number.
    fn register(&self, driver: &mut dyn Driver, watch: Watch, slot: u32) -> io::Result<()> {
        match driver.register(watch) {
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && !self.is_watched(watch.fd, slot) =>
            {
                driver.deregister(watch.fd, watch.rank)?;
                driver.register(watch)
            }
            result => result,
        }
    }

    /// Whether another source than the one in this place has this descriptor.
    #[cold]
    fn is_watched(&self, fd: RawFd, except: u32) -> bool {
        let others = (0..self.used.get()).filter(|&slot| slot != except);
        others
            .map(|slot| self.entries.get(slot))
            .any(|source| source.flags.get().has(Flags::LIVE) && source.fd.get() == fd)
    }

    /// Forgets a source and hands its waiters back. With a driver, ends the registration, too;
    /// without, the caller closes the descriptor, which does the same unless its open file lives on elsewhere.
    ///
    /// The waiters come back in any case: no waker is dropped in here.
    pub(crate) fn remove(
        &self,
        id: SourceId,
        driver: Option<&mut dyn Driver>,
    ) -> (Vec<Waiter>, io::Result<()>) {
        let Some(source) = self.get(id) else { return (Vec::new(), Ok(())) };
        let waiters = self.vacate(id.slot, source);
        for (_, rank) in &waiters {
            self.armed.remove(*rank);
        }
        let end = |driver: &mut dyn Driver| driver.deregister(source.fd.get(), source.rank.get());
        (waiters, driver.map_or(Ok(()), end))
    }

    /// Forgets all sources and hands their waiters back.
    pub(crate) fn clear(&self) -> Vec<Waiter> {
        self.armed.clear();
        let places = (0..self.used.get()).map(|slot| (slot, self.entries.get(slot)));
        let live = places.filter(|(_, source)| source.flags.get().has(Flags::LIVE));
        live.flat_map(|(slot, source)| self.vacate(slot, source)).collect()
    }

    /// Frees a place: all ids of it are void from here on.
    fn vacate(&self, slot: u32, source: &Source) -> Vec<Waiter> {
        source.generation.set(source.generation.get().wrapping_add(1));
        source.flags.set(Flags::default());
        source.next_free.set(self.free.replace(slot));
        self.len.set(self.len.get() - 1);
        let mut waiters = source.readers.take();
        waiters.append(&mut source.writers.get().map_or_else(Vec::new, |writers| writers.take()));
        waiters
    }

    /// A call would block: waits for the next event, which the driver is asked to report, with the
    /// most urgent rank of those who wait and of this one.
    pub(crate) fn would_block(
        &self,
        driver: &mut dyn Driver,
        id: SourceId,
        direction: Direction,
        (waker, rank): (&Waker, Rank),
    ) -> io::Result<()> {
        let Some(source) = self.get(id) else { return Ok(()) };
        let before = source.flags.get().without(Flags::ready(direction));
        source.flags.set(before);
        let flags = before.with(Flags::watched(direction));
        let (fd, old) = (source.fd.get(), source.rank.get());
        let wanted = source.most_urgent(waker, rank);
        // Where there can be no set of that rank, the top one may be that of a less urgent one.
        let rank = if wanted == old || driver.rank_for(wanted) != wanted { old } else { wanted };
        let watch = Watch { fd, token: id.token(), directions: flags.directions(), rank };
        // When the system refuses, it stays where it is: that costs urgency, and no call fails for it.
        if rank != old && self.register(driver, watch, id.slot).is_ok() {
            driver.deregister(fd, old)?;
            source.rank.set(rank);
        } else if flags != before {
            driver.reregister(Watch { rank: old, ..watch })?;
        }
        source.flags.set(flags);
        Ok(())
    }

    /// As [`would_block`](Self::would_block) and [`wait`](Self::wait) in one, where both are simple:
    /// nobody waits for the direction, and it is watched with the rank of who does from here on. True if
    /// so; else nothing was done.
    #[inline]
    pub(crate) fn wait_first(&self, source: &Source, direction: Direction, waker: Waker) -> bool {
        let (flags, rank) = (source.flags.get(), source.rank.get());
        let can_wait = flags.has(Flags::watched(direction))
            && source.waiters(direction).wait_first(waker, rank);
        if can_wait {
            source.flags.set(flags.without(Flags::ready(direction)));
            self.armed.add(rank);
        }
        can_wait
    }

    /// Adds a waiter to a direction, once. Hands back those that must be woken or dropped: true, to
    /// be woken. `is_gone` tells whether a task has ended; none for wakers of other executors.
    pub(crate) fn wait(
        &self,
        id: SourceId,
        direction: Direction,
        waiter: Waiter,
        is_gone: impl Fn(&Waker) -> Option<bool>,
    ) -> (bool, Vec<Waiter>) {
        let rank = waiter.1;
        let Some(source) = self.get(id) else { return (true, vec![waiter]) };
        let waiters = source.waiters(direction);
        let waiter = match waiters.renew(waiter) {
            Ok(old) => {
                self.armed.remove(old.1);
                self.armed.add(rank);
                return (false, vec![old]);
            }
            Err(waiter) => waiter,
        };
        let away = waiters.thin_out(is_gone);
        waiters.push(waiter);
        for (_, rank) in &away {
            self.armed.remove(*rank);
        }
        self.armed.add(rank);
        (true, away)
    }

    /// Takes in an event, and gives those who waited for it to `wake`, which may run user code.
    #[inline]
    pub(crate) fn event(&self, event: Ready, mut wake: impl FnMut(Waiter)) {
        let Some(source) = SourceId::slot_of(event.token).and_then(|slot| self.entries.find(slot))
        else {
            return;
        };
        let (flags, expected) = (source.flags.get(), token(event.token, source.generation.get()));
        if expected != event.token || !flags.has(Flags::LIVE) {
            return;
        }
        source.flags.set(flags.after(event));
        if event.read {
            self.release(&source.readers, &mut wake);
        }
        if event.write {
            self.release_writers(source, &mut wake);
        }
    }

    /// Those who wait in one direction do so no more.
    #[inline]
    fn release(&self, waiters: &Waiters, wake: &mut impl FnMut(Waiter)) {
        waiters.release(|waiter| {
            self.armed.remove(waiter.1);
            wake(waiter);
        });
    }

    /// Those who wait to write do so no more, if some do: most writes never block.
    #[inline(never)]
    fn release_writers(&self, source: &Source, wake: &mut impl FnMut(Waiter)) {
        if let Some(writers) = source.writers.get() {
            self.release(writers, wake);
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            generation: Cell::new(0),
            fd: Cell::new(-1),
            next_free: Cell::new(NONE),
            flags: Cell::default(),
            rank: Cell::new(Class::NORMAL.strict_rank()),
            readers: Waiters::default(),
            writers: OnceCell::new(),
        }
    }
}

impl Source {
    /// Whether a call in this direction is worth trying: an event said so, or none would.
    #[inline]
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.flags.get().is_ready(direction)
    }

    /// A read gave less than was asked for: the next one would block, unless the peer has closed, the
    /// descriptor has failed, or it was urgent data that the read did not go beyond. The driver has
    /// said so, or will: what came after its report is an edge of its own. Sound for streams with
    /// edge-triggered events, see epoll(7), question 9.
    #[inline]
    pub(crate) fn short_read(&self) {
        self.flags.set(self.flags.get().after_short_read());
    }

    fn waiters(&self, direction: Direction) -> &Waiters {
        match direction {
            Direction::Read => &self.readers,
            Direction::Write => self.writers.get_or_init(Box::default),
        }
    }

    /// The most urgent rank of those who wait and of this one, who may have waited with another rank.
    fn most_urgent(&self, waker: &Waker, rank: Rank) -> Rank {
        let rank = self.readers.most_urgent(waker, rank);
        self.writers.get().map_or(rank, |writers| writers.most_urgent(waker, rank))
    }
}

impl SourceId {
    fn token(self) -> usize {
        token(self.slot as usize, self.generation)
    }

    /// The place that a token is about. None: it is not about a source.
    #[inline]
    fn slot_of(token: usize) -> Option<u32> {
        u32::try_from(token & SLOTS).ok().filter(|_| token >> 62 == 0)
    }
}

/// The bits of a token that tell the place.
const SLOTS: usize = 0x7FFF_FFFF;

/// Place in the low 31 bits, generation in the next 31: never one of the driver's own tokens.
#[inline]
fn token(slot: usize, generation: u32) -> usize {
    (slot & SLOTS) | ((generation as usize & SLOTS) << 31)
}

#[cfg(test)]
mod tests;
