//! What a record is written with: the memory, the clock, and what is known of texts and names.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::clock::{Clock, SharedClock};
use super::event::Polled;
use super::file::{Backing, started};
use super::hooks::{Hooks, Trigger};
use super::layout::{
    EVENT_WORDS, HEAD_BYTES, Kind, MAGIC, SCHEMA, SCHEMA_AT, TEXTS_AT, Who, head, kind, task, wait,
};
use super::mapping::Mapping;
use super::options::RecorderSpec;
use super::shared::{Entry, Shared};
use super::table::{Table, list, map_more};
use super::texts::{Lately, Texts};
use super::watchdog::Watched;
use crate::name::Name;
use crate::turn::SLICE;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Pen {
    /// Where time is taken.
    clock: Clock,
    /// What is written.
    pub(super) shared: Arc<Shared>,
    /// The writer's part of the task table.
    pub(super) table: Table,
    /// What the watchdog knows of the reactor, if it has to.
    pub(super) watched: Option<Arc<Watched>>,
    /// The watchdog has been told.
    pub(super) is_watched: Cell<bool>,
    /// Why there is none, if one was wanted.
    pub(super) fault: Option<String>,
    /// Texts that have been written.
    texts: RefCell<Texts>,
    /// Places in the source, likewise.
    lately: Lately,
    /// From how many ticks on a poll is an overrun.
    pub(super) slow: u64,
    /// How many ticks a turn lasts.
    pub(super) turn: u64,
    /// The task that is being polled, when it has woken itself; 0 when it has not. That is told with the
    /// end of the poll, which costs less than an event of its own.
    pub(super) yields: Cell<u64>,
    /// When the rate of the clock was last taken.
    rated: Cell<u64>,
}

/// By how many ticks the counters of two processors differ at most: far more than where the kernel keeps time
/// by them, and less than a millisecond.
const MOST_BEHIND: u64 = 1 << 20;

/// After how many ticks the rate of the clock is taken again.
const RATE_EVERY: u64 = 1 << 28;

/// The last word of an event.
#[inline]
pub(super) fn meta(kind: u8, class: u8, detail: u16, text: u32) -> u64 {
    u64::from(kind) | u64::from(class) << 8 | u64::from(detail) << 16 | u64::from(text) << 32
}

#[inline]
pub(super) fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

#[inline]
pub(super) fn store(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

impl Pen {
    pub(super) fn new(
        (spec, hooks): (&RecorderSpec, &Hooks),
        clock: Clock,
        reactor: u64,
    ) -> io::Result<Self> {
        let ring_bytes = spec.events * EVENT_WORDS * size_of::<u64>();
        let backing = spec.in_file.then(|| in_file(reactor, ring_bytes));
        let (backing, fault, mappings) = match backing {
            Some(Ok((backing, mappings))) => (Some(backing), None, mappings),
            Some(Err(error)) => (None, Some(error.to_string()), in_memory(ring_bytes)?),
            None => (None, None, in_memory(ring_bytes)?),
        };
        let shared = Shared::new(SharedClock::of(&clock), mappings.0, mappings.1);
        let shared = Arc::new(shared);
        let is_in_file = backing.is_some();
        let on = Self {
            watched: Watched::new(reactor, &shared, hooks),
            is_watched: Cell::new(false),
            shared,
            table: Table::new(backing),
            fault,
            texts: RefCell::default(),
            lately: Lately::default(),
            slow: ticks_of(spec.slow_poll, clock.ns_per_tick()),
            turn: ticks_of(SLICE, clock.ns_per_tick()),
            yields: Cell::new(Who::NOBODY.0),
            rated: Cell::new(clock.ticks()),
            clock,
        };
        on.write_header(spec, reactor);
        if is_in_file {
            list(&on.shared, Kind::Events, (HEAD_BYTES, ring_bytes), 0);
        }
        Ok(on)
    }

    fn write_header(&self, spec: &RecorderSpec, reactor: u64) {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let pid = std::process::id();
        let now = self.clock.ticks();
        let header = self.header();
        for (word, value) in [
            (head::SCHEMA_AT, SCHEMA_AT as u64),
            (head::SCHEMA_BYTES, SCHEMA.len() as u64),
            (head::PID, pid.into()),
            (head::STARTED, started(pid)),
            (head::REACTOR, reactor),
            (head::CLOCK, self.clock.id()),
            (head::BASE_TICKS, now),
            (head::NS_PER_TICK, self.clock.ns_per_tick().to_bits()),
            (head::BASE_UNIX_NS, u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)),
            (head::TEXTS_AT, TEXTS_AT as u64),
            (head::EVENTS, spec.events as u64),
            (head::RUNNING, Who::REACTOR.0),
            (head::NOW, now),
        ] {
            store(&header[word], value);
        }
        let schema = &self.shared.head_words()[SCHEMA_AT / 8..TEXTS_AT];
        super::texts::store(schema, SCHEMA.as_bytes());
        // Last: who sees it sees the rest.
        header[head::MAGIC].store(MAGIC, Ordering::Release);
    }

    #[inline]
    pub(super) fn header(&self) -> &[AtomicU64] {
        self.shared.header()
    }

    /// Takes the time. Returns the one that was taken before, and how many ticks have passed.
    #[inline]
    pub(super) fn tick(&self) -> (u64, u64) {
        self.tick_at(self.clock.ticks())
    }

    /// The same, with the time at hand.
    #[inline]
    fn tick_at(&self, now: u64) -> (u64, u64) {
        let word = &self.header()[head::NOW];
        let (before, now) = (load(word), self.shared.shifted(now));
        if now < before {
            self.is_behind(before - now);
            return (before, 0);
        }
        store(word, now);
        (before, now - before)
    }

    /// The clock is behind the time that was taken last, by so much. Of a little nothing is to be known: it is
    /// the counter of another processor. If it is more, the counter has begun anew, as it may do while the
    /// machine sleeps.
    #[cold]
    fn is_behind(&self, by: u64) {
        if by > MOST_BEHIND {
            self.shared.set_back(by);
        }
    }

    // What happens for each poll is in functions of its own, so that it takes no registers from those
    // who call them where the recorder is off.

    /// See [`Recorder::begin_poll`].
    #[inline(never)]
    pub(super) fn begin_poll(&self, name: Name) -> Option<&Entry> {
        self.begin(Who::task(name));
        let entry = self.shared.task(name.slot())?;
        store(&entry[task::WAIT], wait::UNKNOWN);
        Some(entry)
    }

    /// See [`Recorder::end_poll`].
    #[inline(never)]
    pub(super) fn end_poll(&self, entry: Option<&Entry>, class: u8, result: Polled) {
        // Two ways, so that the one that calls nothing saves no registers.
        match self.clock.counter() {
            Some(now) => self.end_poll_at(now, entry, class, result),
            None => self.end_poll_by_nanos(entry, class, result),
        }
    }

    /// The same with another clock than a counter.
    #[inline(never)]
    fn end_poll_by_nanos(&self, entry: Option<&Entry>, class: u8, result: Polled) {
        self.end_poll_at(self.clock.ticks(), entry, class, result);
    }

    /// The same at this time.
    #[inline]
    fn end_poll_at(&self, now: u64, entry: Option<&Entry>, class: u8, result: Polled) {
        let who = load(&self.header()[head::RUNNING]);
        let (start, took) = self.tick_at(now);
        let yields = self.yields.replace(Who::NOBODY.0) == who;
        let result = if yields && result == Polled::Pending { Polled::Yielded } else { result };
        self.shared.push([start, who, took, meta(kind::POLL, class, result as u16, 0)]);
        if let Some(entry) = entry {
            charge(entry, took);
            if yields {
                is_ready(entry, who);
            }
        }
        if took > self.slow {
            self.overrun(start, who, took, class);
        }
    }

    /// See [`Recorder::end_drop`].
    pub(super) fn end_drop(&self, class: u8) {
        self.yields.set(Who::NOBODY.0);
        let who = load(&self.header()[head::RUNNING]);
        let (start, took) = self.tick();
        if took > self.slow {
            self.overrun(start, who, took, class);
        }
    }

    /// A poll, or a drop, took long.
    #[cold]
    fn overrun(&self, start: u64, who: u64, took: u64, class: u8) {
        self.shared.push([start, who, took, meta(kind::OVERRUN, class, 0, 0)]);
        self.fire(Trigger::SlowPoll);
    }

    /// See [`Recorder::woken`].
    #[inline(never)]
    pub(super) fn woken(&self, name: Name, class: u8) {
        let by = load(&self.header()[head::RUNNING]);
        let who = Who::task(name);
        if by == who.0 {
            self.yields.set(by);
            return;
        }
        self.event(who, by, meta(kind::WAKE, class, 0, 0));
        if let Some(entry) = self.shared.task(name.slot()) {
            is_ready(entry, by);
        }
    }

    /// Something begins that may keep the reactor.
    #[inline]
    pub(super) fn begin(&self, who: Who) {
        let header = self.header();
        store(&header[head::RUNNING], who.0);
        store(&header[head::BEGUN], load(&header[head::BEGUN]) + 1);
    }

    /// Something has happened for which somebody may want the record.
    #[cold]
    pub(super) fn fire(&self, trigger: Trigger) {
        if let Some(watched) = &self.watched {
            watched.fire(trigger);
        }
    }

    /// The word that says what a task waits for.
    #[inline]
    pub(super) fn wait(&self, index: u32) -> Option<&AtomicU64> {
        self.shared.task(index).map(|entry| &entry[task::WAIT])
    }

    /// Writes an event that takes no time.
    #[inline]
    pub(super) fn event(&self, who: Who, value: u64, meta: u64) {
        self.shared.push([load(&self.header()[head::NOW]), who.0, value, meta]);
    }

    /// Takes the rate of the clock, if that was long ago: it is known better the longer the clock goes.
    #[inline]
    pub(super) fn rate_now_and_then(&self) {
        if load(&self.header()[head::NOW]) - self.rated.get() > RATE_EVERY {
            self.rate();
        }
    }

    #[cold]
    fn rate(&self) {
        self.rated.set(load(&self.header()[head::NOW]));
        store(&self.header()[head::NS_PER_TICK], self.clock.ns_per_tick().to_bits());
    }

    /// The id of a place in the source.
    #[inline]
    pub(super) fn place(&self, at: &'static Location<'static>) -> u16 {
        let address = std::ptr::from_ref(at).addr();
        self.lately.get(address, || {
            let head = self.shared.head_words();
            self.texts.borrow_mut().id(head, (address, 0), || at.to_string())
        })
    }

    /// The id of a text.
    pub(super) fn text(&self, text: &'static str) -> u16 {
        let key = (text.as_ptr().addr(), text.len());
        self.texts.borrow_mut().id(self.shared.head_words(), key, || text.to_owned())
    }
}

/// The task with this entry was put into its queue, woken by this one.
#[inline]
fn is_ready(entry: &Entry, by: u64) {
    store(&entry[task::WAKER], by);
    store(&entry[task::WAIT], wait::READY << wait::KIND_SHIFT);
}

/// Adds a poll to what the table says of a task.
#[inline]
fn charge(entry: &Entry, took: u64) {
    let (polls, cpu) = (&entry[task::POLLS], &entry[task::CPU]);
    store(cpu, load(cpu) + took);
    let before = load(polls);
    // The number of polls begins anew beyond its 32 bits.
    let count = before.wrapping_add(1) & u64::from(u32::MAX);
    let longest = before >> 32;
    // Hardly ever, so that it is cheaper to look than to compute the larger one.
    if took >> task::LONGEST_SHIFT > longest {
        set_longest(polls, took, count);
    } else {
        store(polls, longest << 32 | count);
    }
}

/// This poll is the longest one of a task.
#[cold]
fn set_longest(polls: &AtomicU64, took: u64, count: u64) {
    let longest = (took >> task::LONGEST_SHIFT).min(u64::from(u32::MAX));
    store(polls, longest << 32 | count);
}

/// Makes a file, and maps its header and ring.
fn in_file(reactor: u64, ring_bytes: usize) -> io::Result<(Backing, (Mapping, Mapping))> {
    let mut file = Backing::create(reactor)?;
    let (head, _) = map_more(&mut file, HEAD_BYTES)?;
    let (ring, _) = map_more(&mut file, ring_bytes)?;
    Ok((file, (head, ring)))
}

/// Maps a header and a ring without a file.
fn in_memory(ring_bytes: usize) -> io::Result<(Mapping, Mapping)> {
    Ok((Mapping::anonymous(HEAD_BYTES)?, Mapping::anonymous(ring_bytes)?))
}

/// How many ticks a time is.
fn ticks_of(time: Duration, ns_per_tick: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and what is too large becomes the largest"
    )]
    let ticks = (time.as_nanos() as f64 / ns_per_tick) as u64;
    ticks
}

#[cfg(test)]
mod tests;
