//! Poll sets: one for each rank that has descriptors.
//!
//! One set for all would report thousands of descriptors that are not urgent before the one that is.
//! The first rank that is used has the *top* set, in which the unparker and the timer are, too; each
//! other rank has a set of its own that is a member of the top one. So a reactor that uses one rank
//! has one set, and pays for nothing else.
//!
//! The reactor looks at the sets of the ranks that are *due*: a rank is not due while a task of a more
//! urgent one is ready, so that what comes in faster than it can be dealt with stays in the system's
//! buffers, where it slows down who sends it.
//!
//! The members are watched edge-triggered, by mio: their readiness is reported once. A set stays
//! *pending* from then on until a look at it has found less than it has room for, and the reactor does
//! not sleep while one is: otherwise it would sleep on what was left, or was not due.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::class::{RANKS, Rank};

/// How many events one look at the top set takes at most. What is left comes with the next.
pub(super) const EVENTS: usize = 1024;
/// The same for other sets: they are many.
pub(super) const MEMBER_EVENTS: usize = 256;
/// Token of the unparker.
pub(super) const UNPARK: Token = Token(usize::MAX);
/// Token of the timer for short sleeps.
pub(super) const TAIL: Token = Token(usize::MAX - 1);
/// Token of the member for rank `r`: so much less than that.
const FIRST_MEMBER: usize = usize::MAX - 2;
/// No source has this token, or a larger one.
const FIRST_OWN: usize = FIRST_MEMBER - RANKS + 1;

/// The sets.
#[derive(Debug)]
pub(super) struct Sets {
    /// See the module's documentation.
    top: Poll,
    /// What the top set reported, reused.
    events: Events,
    /// The rank whose set is the top one.
    own: Option<Rank>,
    /// The sets of other ranks.
    members: [Option<Member>; RANKS],
    /// There is none.
    is_alone: bool,
}

/// The set of a rank that does not have the top one.
#[derive(Debug)]
struct Member {
    poll: Poll,
    /// What it reported, reused.
    events: Events,
    /// It may have something to report.
    pending: bool,
}

impl Member {
    /// An empty set in the top one.
    fn new(top: &Registry, rank: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let token = Token(FIRST_MEMBER - rank);
        top.register(&mut SourceFd(&poll.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { poll, events: Events::with_capacity(MEMBER_EVENTS), pending: false })
    }

    /// Asks the system what is ready. False if nothing is.
    fn look(&mut self) -> io::Result<bool> {
        poll(&mut self.poll, &mut self.events, Some(Duration::ZERO))?;
        let count = self.events.iter().count();
        self.pending = count == MEMBER_EVENTS;
        Ok(count > 0)
    }
}

/// Asks the system; an interrupted wait has no events.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}

impl Sets {
    /// The top set, empty.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            top: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            own: None,
            members: [const { None }; RANKS],
            is_alone: true,
        })
    }

    /// Where to register what is of no rank.
    pub(super) fn top(&self) -> &Registry {
        self.top.registry()
    }

    /// The rank in whose set descriptors of a rank can be: that of the top set, when it has no set and none can
    /// be made for want of descriptors.
    pub(super) fn rank_for(&mut self, rank: Rank) -> Rank {
        match (self.registry(rank).is_ok(), self.own) {
            (false, Some(own)) => own,
            _ => rank,
        }
    }

    /// Where to register descriptors of a rank.
    pub(super) fn registry(&mut self, rank: Rank) -> io::Result<&Registry> {
        if *self.own.get_or_insert(rank) == rank {
            return Ok(self.top.registry());
        }
        let place = &mut self.members[rank.index()];
        if place.is_none() {
            *place = Some(Member::new(self.top.registry(), rank.index())?);
            self.is_alone = false;
        }
        let member = place.as_ref().expect("it was made if there was none");
        Ok(member.poll.registry())
    }

    /// Whether nothing was left by an earlier look.
    pub(super) fn may_sleep(&self) -> bool {
        self.is_alone || !self.members.iter().flatten().any(|member| member.pending)
    }

    /// Whether the last look may have left something of which there is no further report.
    pub(super) fn has_left(&self) -> bool {
        !self.may_sleep() || self.events.iter().count() >= EVENTS
    }

    /// Looks at the sets of these ranks without waiting, and gives the events to `report`.
    pub(super) fn look(&mut self, ranks: u8, mut report: impl FnMut(&Events)) -> io::Result<()> {
        for rank in (0..RANKS).filter(|rank| ranks & (1 << rank) != 0) {
            if self.own.is_some_and(|own| own.index() == rank) {
                self.look_at_top(Some(Duration::ZERO))?;
                report(&self.events);
            } else if let Some(member) = &mut self.members[rank]
                && member.look()?
            {
                report(&member.events);
            }
        }
        Ok(())
    }

    /// Waits until something is ready. Gives the events to `report`, those of the most urgent rank
    /// first; what is less urgent than what was found in a member stays there.
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        mut report: impl FnMut(&Events),
    ) -> io::Result<()> {
        self.look_at_top(timeout)?;
        if self.is_alone {
            report(&self.events);
            return Ok(());
        }
        let own = self.own.map_or(0, Rank::index);
        for (rank, member) in self.members.iter_mut().enumerate() {
            if rank == own {
                report(&self.events);
                if self.events.iter().any(|event| !is_own(event.token())) {
                    break;
                }
            } else if let Some(member) = member
                && member.pending
                && member.look()?
            {
                report(&member.events);
                if rank < own {
                    // They were taken out of the system: they are not reported again.
                    report(&self.events);
                }
                break;
            }
        }
        Ok(())
    }

    /// Asks the top set, and notes which members have something to report.
    fn look_at_top(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        poll(&mut self.top, &mut self.events, timeout)?;
        if self.is_alone {
            return Ok(());
        }
        for event in &self.events {
            let rank = FIRST_MEMBER.wrapping_sub(event.token().0);
            if let Some(Some(member)) = self.members.get_mut(rank) {
                member.pending = true;
            }
        }
        Ok(())
    }
}

/// Whether an event of the top set is about something of the driver's own, and not about a source.
#[inline]
pub(super) fn is_own(token: Token) -> bool {
    token.0 >= FIRST_OWN
}
