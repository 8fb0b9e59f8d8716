//! What is known of a source.

use super::Direction;
use crate::driver::{Directions, Ready};

/// Some of these bits.
///
/// | bit                      | meaning                                                         |
/// |--------------------------|-----------------------------------------------------------------|
/// | `LIVE`                   | the place has a source; goes with all others                    |
/// | watched, per direction   | the driver reports the direction                                |
/// | ready, per direction     | it has, and no call has said since then that it would block     |
/// | `UNDRAINED`              | a short read does not mean that nothing is left, and never will |
///
/// `UNDRAINED` is for good: the peer has closed, or the descriptor has failed, after which no event comes;
/// or there was urgent data, at which a read stops although there is more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const LIVE: Self = Self(1);
    const READ_WATCHED: Self = Self(2);
    const WRITE_WATCHED: Self = Self(4);
    const READ_READY: Self = Self(8);
    const WRITE_READY: Self = Self(16);
    const UNDRAINED: Self = Self(32);

    /// The bit that says that a direction is watched.
    #[inline]
    pub(super) fn watched(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::READ_WATCHED,
            Direction::Write => Self::WRITE_WATCHED,
        }
    }

    /// The bit that says that a direction is ready.
    #[inline]
    pub(super) fn ready(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::READ_READY,
            Direction::Write => Self::WRITE_READY,
        }
    }

    #[inline]
    pub(super) fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    #[inline]
    pub(super) fn with(self, bits: Self) -> Self {
        Self(self.0 | bits.0)
    }

    #[inline]
    pub(super) fn without(self, bits: Self) -> Self {
        Self(self.0 & !bits.0)
    }

    /// Whether a call is worth trying: the direction is ready, or not watched, so that nobody would say
    /// when it is.
    #[inline]
    pub(super) fn is_ready(self, direction: Direction) -> bool {
        let both = Self::ready(direction).with(Self::watched(direction));
        self.0 & both.0 != Self::watched(direction).0
    }

    /// What the driver is to report; one of them is watched.
    pub(super) fn directions(self) -> Directions {
        match (self.has(Self::READ_WATCHED), self.has(Self::WRITE_WATCHED)) {
            (true, true) => Directions::Both,
            (false, true) => Directions::Write,
            _ => Directions::Read,
        }
    }

    /// With what an event says.
    #[inline]
    pub(super) fn after(self, event: Ready) -> Self {
        let bit = |is_set: bool, bit: Self| if is_set { bit } else { Self(0) };
        self.with(bit(event.read, Self::READ_READY))
            .with(bit(event.write, Self::WRITE_READY))
            .with(bit(event.read_undrained, Self::UNDRAINED))
    }

    /// Without what a short read disproves.
    #[inline]
    pub(super) fn after_short_read(self) -> Self {
        if self.has(Self::UNDRAINED) { self } else { self.without(Self::READ_READY) }
    }
}
