//! Making classes and changing them, and what follows from that for all of them.

use std::io;
use std::time::Duration;

use super::Classes;
use super::entry::Entry;
use crate::class::{Class, ClassSpec, MAX_CLASSES, MOST_RESERVED, Order};

/// Why a class is refused that is right by itself.
const RESERVED: &str = "all classes together reserve at most 0.9 of the processor's time";

impl Classes {
    /// Makes a class for the reactor with this number.
    pub(crate) fn add(&self, spec: ClassSpec, reactor: u64) -> io::Result<Class> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if let Some(fault) = spec.fault() {
            return invalid(format!("class {}: a class {fault}", spec.name));
        }
        if self.all().any(|entry| entry.class.name() == spec.name) {
            return invalid(format!("class {}: there is one of this name", spec.name));
        }
        if !self.can_reserve(&spec) {
            return invalid(format!("class {}: {RESERVED}", spec.name));
        }
        if self.len.get() == MAX_CLASSES {
            return invalid(format!("class {}: a reactor has at most {MAX_CLASSES}", spec.name));
        }
        Ok(self.insert(spec, reactor))
    }

    /// Whether this and the reserves of all other classes can be kept.
    fn can_reserve(&self, spec: &ClassSpec) -> bool {
        let others = self.all().filter(|entry| entry.class.name() != spec.name);
        let reserved: u32 = others.map(|entry| entry.spec.borrow().reserve).sum();
        spec.reserve + reserved <= MOST_RESERVED
    }

    /// Adds a class that is valid.
    pub(super) fn insert(&self, spec: ClassSpec, reactor: u64) -> Class {
        let place = self.len.get();
        let id = u8::try_from(place).expect("there are fewer than 256 classes");
        let class = Class::new(&spec, reactor, id);
        let entry = Box::new(Entry::new(class, spec, self.clock.get()));
        assert!(self.entries[place].set(entry).is_ok(), "no class is added twice");
        self.len.set(place + 1);
        class
    }

    /// Changes the policy of a class; its name, rank and order stay.
    pub(crate) fn change(&self, id: u8, spec: ClassSpec) -> io::Result<()> {
        let entry = self.entry(id);
        let invalid = |text| {
            let text = format!("class {}: {text}", entry.class.name());
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        };
        if let Some(fault) = spec.fault() {
            return invalid(format!("a class {fault}"));
        }
        let old = entry.spec.borrow().clone();
        if (old.name, old.rank, old.order) != (spec.name, spec.rank, spec.order) {
            return invalid("its name, rank and order stay as they are".to_owned());
        }
        if !self.can_reserve(&spec) {
            return invalid(RESERVED.to_owned());
        }
        entry.change(spec, self.clock.get(), self.metered.get());
        self.account();
        Ok(())
    }

    /// Finds out what has to be looked at, when classes or their policies have changed.
    #[cold]
    pub(super) fn account(&self) {
        self.cool();
        let (mut guaranteed, mut guaranteed_ranks, mut metered) = (0, 0, false);
        self.latency.iter().for_each(|latency| latency.set(Duration::MAX));
        let (mut ranks, mut deadlines, mut has_slices) = (0_u8, false, false);
        for (id, entry) in self.all().enumerate() {
            if self.populated.get() & (1 << id) == 0 {
                continue;
            }
            let spec = entry.spec.borrow();
            if spec.reserve > 0 || spec.max_starve.is_some() {
                guaranteed |= 1 << id;
                guaranteed_ranks |= entry.class.strict_rank().bit();
            }
            deadlines |= spec.order == Order::Deadline;
            has_slices |= spec.slice.is_some();
            let rank = entry.class.strict_rank();
            metered |= ranks & rank.bit() != 0;
            ranks |= rank.bit();
            let latency = &self.latency[rank.index()];
            latency.set(latency.get().min(spec.latency.unwrap_or(self.default_latency)));
        }
        self.populated_ranks.set(ranks);
        self.guaranteed.set(guaranteed);
        self.guaranteed_ranks.set(guaranteed_ranks);
        self.metered.set(metered || deadlines || guaranteed != 0);
        self.timed.set(self.metered.get() || !ranks.is_power_of_two());
        self.has_slices.set(has_slices);
        self.inherits.set(deadlines || ranks.count_ones() > 1);
    }
}
