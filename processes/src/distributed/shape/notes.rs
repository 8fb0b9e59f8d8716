//! What was seen of a type, and whose turn it is to be seen.

use std::collections::HashMap;

use super::super::task::Fnv;
use super::probe::Refused;

/// The most steps, of all runs together; a type with more is seen in part, the same on all machines.
const MAX_STEPS: u32 = 200_000;

/// The deepest nesting.
const MAX_DEPTH: usize = 128;

/// How often a type may be inside of itself before what is optional ends.
const MAX_INSIDE: usize = 2;

/// What was seen.
#[derive(Default)]
pub(super) struct Notes {
    /// Of everything, in order.
    pub(super) hash: Fnv,
    /// Steps so far.
    pub(super) steps: u32,
    /// Enums by place: whose turn it is, of how many variants.
    turns: HashMap<u64, (u32, u32)>,
    /// Enums in any place: how often each was met, and a variant that has none of the kind inside.
    pub(super) met: HashMap<u64, (u32, Option<u32>)>,
    /// The structs and enums around what is decoded now.
    around: Vec<(&'static str, &'static [&'static str])>,
    /// The variant around it.
    pub(super) variant: u64,
    /// How many enums that has had.
    pub(super) enums: u32,
}

impl Notes {
    /// Begins with the outermost type.
    pub(super) fn begin_run(&mut self) {
        self.around.clear();
        (self.variant, self.enums) = (0, 0);
        self.note("run");
    }

    /// Notes a word.
    pub(super) fn note(&mut self, word: &str) {
        self.hash.part(word.as_bytes());
    }

    /// One more thing is decoded.
    pub(super) fn step(&mut self, what: &str) -> Result<(), Refused> {
        self.note(what);
        self.steps += 1;
        if self.are_many() || self.around.len() >= MAX_DEPTH { Err(Refused) } else { Ok(()) }
    }

    /// Notes a number.
    pub(super) fn number(&mut self, n: usize) {
        self.hash.part(&(n as u64).to_le_bytes());
    }

    /// Goes into something with a name and fields, or variants.
    pub(super) fn enter(&mut self, name: &'static str, parts: &'static [&'static str]) {
        self.note(name);
        self.number(parts.len());
        for part in parts {
            self.note(part);
        }
        self.around.push((name, parts));
    }

    /// Comes out of that again.
    pub(super) fn leave(&mut self) {
        self.around.pop();
        self.note("end");
    }

    /// Whether what is optional has to end.
    pub(super) fn ends(&self) -> bool {
        let Some(inner) = self.around.last() else { return false };
        self.around.iter().filter(|outer| *outer == inner).count() > MAX_INSIDE
    }

    /// Which variant of an enum, which has so many, it is now.
    pub(super) fn turn(&mut self, which: u64, variants: usize) -> u32 {
        let mut place = Fnv::default();
        place.part(&which.to_le_bytes());
        place.part(&self.variant.to_le_bytes());
        place.part(&self.enums.to_le_bytes());
        self.enums += 1;
        if let Some(&(_met, Some(last))) = self.met.get(&which)
            && self.ends()
        {
            return last;
        }
        let count = u32::try_from(variants).unwrap_or(u32::MAX);
        let (next, _count) = self.turns.entry(place.finish()).or_insert((0, count));
        let turn = *next % count;
        *next += 1;
        turn
    }

    /// Whether there are as many as there may be.
    pub(super) fn are_many(&self) -> bool {
        self.steps >= MAX_STEPS
    }

    /// Whether all variants were seen in all places.
    pub(super) fn has_seen_all(&self) -> bool {
        self.turns.values().all(|(next, count)| next >= count)
    }
}
