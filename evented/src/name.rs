//! Names: how wakers and mailboxes refer to a task without owning anything.
//!
//! A name is one `u64`:
//!
//! | bits  | field      | meaning                                            |
//! |-------|------------|----------------------------------------------------|
//! | 52-63 | reactor    | index of the reactor's mailbox, at most 4,096 alive |
//! | 24-51 | generation | how often the slot has been reused, wrapping        |
//! | 0-23  | slot       | index into the reactor's task slab                  |
//!
//! A name that outlives its task is *stale*. It stops matching as soon as the slot is freed; should
//! the 28-bit generation wrap around to the same value, the cost is one spurious poll, which the
//! `Future` contract allows. Nothing that must be exact (a join, a timer) goes by name alone: task
//! handles pin their slot, timers and sources carry the reactor's unique id.

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 28;
const REACTOR_BITS: u32 = 12;

/// The largest generation; the one after it is 0.
pub(crate) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
/// How many reactors may be alive in one process.
pub(crate) const MAX_REACTORS: usize = 1 << REACTOR_BITS;

/// Names one task of one reactor; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(u64);

impl Name {
    /// Packs the three fields; each must be within its width.
    #[inline]
    pub(crate) fn new(reactor: u16, generation: u32, slot: u32) -> Self {
        debug_assert!(usize::from(reactor) < MAX_REACTORS, "reactor index out of range");
        debug_assert!(generation <= GENERATION_MASK, "generation out of range");
        debug_assert!(slot < 1 << SLOT_BITS, "slot out of range");
        Self(
            (u64::from(reactor) << (SLOT_BITS + GENERATION_BITS))
                | (u64::from(generation) << SLOT_BITS)
                | u64::from(slot),
        )
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Index of the mailbox of the reactor the task belongs to.
    #[inline]
    pub(crate) fn reactor(self) -> u16 {
        (self.0 >> (SLOT_BITS + GENERATION_BITS)) as u16
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.field(SLOT_BITS, GENERATION_BITS)
    }

    #[inline]
    pub(crate) fn slot(self) -> u32 {
        self.field(0, SLOT_BITS)
    }

    /// The field of `width` bits, at most 28, whose lowest bit is `shift`.
    #[inline]
    fn field(self, shift: u32, width: u32) -> u32 {
        u32::try_from((self.0 >> shift) & ((1 << width) - 1)).expect("masked to less than 32 bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_packing() {
        for reactor in [0, 1, 4095] {
            for generation in [0, 1, GENERATION_MASK] {
                for slot in [0, 1, (1 << SLOT_BITS) - 1] {
                    let name = Name::from_bits(Name::new(reactor, generation, slot).bits());
                    assert_eq!(name.reactor(), reactor);
                    assert_eq!(name.generation(), generation);
                    assert_eq!(name.slot(), slot);
                }
            }
        }
    }
}
