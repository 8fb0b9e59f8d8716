//! What both ends of a channel are: a handle of one side, which is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

use crate::clock;
use crate::holders::Holders;
use crate::ring::Ring;
use crate::scope;

/// How long one who does not wait may not notice that the other side was killed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Bytes behind the messages: who holds which end.
pub(super) const ANNEX: usize = 2 * Holders::WORDS * 8;

/// A side of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Messages go in here.
    Sending,
    /// Messages come out here.
    Receiving,
}

/// One handle of one side, which is counted.
#[derive(Debug)]
pub(super) struct End {
    /// The memory.
    pub(super) ring: Ring,
    /// Which side.
    side: Side,
    /// When it was looked last whether the others live.
    looked_ns: AtomicU64,
    /// Whether it counts; see [`again`](Self::again). Not any more, once it was let go.
    counts: bool,
}

impl End {
    /// One handle more; none when too many processes have one.
    pub(super) fn open(ring: Ring, side: Side) -> Option<Self> {
        let counts = Self::holders(&ring, side).enter();
        counts.then(|| Self { ring, side, looked_ns: 0.into(), counts })
    }

    /// The table of a side.
    fn holders(ring: &Ring, side: Side) -> Holders {
        Holders::new(ring, if side == Side::Sending { 0 } else { Holders::WORDS })
    }

    /// The table of the other side.
    pub(super) fn others(&self) -> Holders {
        let other = if self.side == Side::Sending { Side::Receiving } else { Side::Sending };
        Self::holders(&self.ring, other)
    }

    /// For one who does not wait: whether the other side is gone; looks only now and then.
    pub(super) fn is_alone(&self) -> bool {
        let now_ns = clock::now_ns();
        if now_ns < self.looked_ns.load(Ordering::Relaxed).saturating_add(clock::to_ns(LOOK_AGAIN))
        {
            return self.ring.is_shut_down();
        }
        self.looked_ns.store(now_ns, Ordering::Relaxed);
        self.others().are_gone()
    }

    /// Another handle, in the same process, which is in the table already. A child that was forked may
    /// not be, and find no room there: then the handle does not count, and the channel may end while it
    /// exists.
    pub(super) fn again(&self) -> Self {
        let (ring, side) = (self.ring.clone(), self.side);
        let counts = Self::holders(&ring, side).enter();
        Self { ring, side, looked_ns: 0.into(), counts }
    }

    /// Has it travel with the argument of a call.
    pub(super) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keeper = || Box::new(self.again()) as scope::Keeper;
        let id = scope::send_counted(self.ring.segment(), keeper);
        serializer.serialize_u128(id.map_err(serde::ser::Error::custom)?)
    }

    /// The one that travelled with the argument of a call.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
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
    fn let_go(&mut self) -> bool {
        if self.counts && Self::holders(&self.ring, self.side).leave_soon() {
            self.counts = false;
        }
        !self.counts
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.counts {
            Self::holders(&self.ring, self.side).leave();
        }
    }
}

/// What both ends have.
macro_rules! handle {
    ($end:ident, $side:expr) => {
        impl<T> $end<T> {
            /// That of this end.
            pub(super) fn new(end: End) -> Self {
                Self { end, value: PhantomData }
            }

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
                End::deserialize($side, deserializer).map(Self::new)
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

pub(super) use handle;
