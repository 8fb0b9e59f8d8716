//! The writer of a record: what the reactor calls when something happens.
//!
//! Time is taken once per poll, at its end, which is also the beginning of the next one; and after a
//! wait for the system, and after calls. Everything else has the time that was taken last.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::clock::{Clock, SharedClock};
use super::event::{Ended, Polled};
use super::file::{Backing, started};
use super::hooks::{Hooks, Trigger};
use super::layout::{
    EVENT_WORDS, HEAD_BYTES, Kind, MAGIC, NAME_IS_TEXT, SCHEMA, SCHEMA_AT, TEXTS_AT, Who, head,
    kind, task, wait,
};
use super::mapping::Mapping;
use super::options::{RecorderSpec, Recording};
use super::shared::Shared;
use super::table::{Table, list, map_more};
use super::texts::{Lately, Texts};
use super::wait::WaitsFor;
use super::watchdog::Watched;
use crate::class::Class;
use crate::name::Name;

/// Writes down what a reactor does, unless it is switched off.
#[derive(Debug)]
pub(crate) struct Recorder {
    on: Option<On>,
}

/// A recorder that is on.
#[derive(Debug)]
struct On {
    clock: Clock,
    shared: Arc<Shared>,
    table: Table,
    /// What the watchdog knows of the reactor, if it has to.
    watched: Option<Arc<Watched>>,
    /// The watchdog has been told.
    is_watched: Cell<bool>,
    /// Why there is none, if one was wanted.
    fault: Option<String>,
    texts: RefCell<Texts>,
    lately: Lately,
    /// From how many ticks on a poll is an overrun.
    slow: u64,
    /// When the rate of the clock was last taken.
    rated: Cell<u64>,
}

/// After how many ticks the rate of the clock is taken again.
const RATE_EVERY: u64 = 1 << 28;

/// The last word of an event.
#[inline]
fn meta(kind: u8, class: u8, detail: u16, text: u32) -> u64 {
    u64::from(kind) | u64::from(class) << 8 | u64::from(detail) << 16 | u64::from(text) << 32
}

#[inline]
fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

#[inline]
fn store(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

impl Recorder {
    /// Starts to record the reactor with this number. That never fails: without a file memory is used, and
    /// without memory nothing is recorded.
    pub(crate) fn new((spec, hooks): (&RecorderSpec, &Hooks), clock: Clock, reactor: u64) -> Self {
        let on = spec.is_on.then(|| On::new((spec, hooks), clock, reactor).ok()).flatten();
        Self { on }
    }

    /// Where the record is.
    pub(crate) fn recording(&self) -> Recording {
        let Some(on) = &self.on else { return Recording::Off };
        match &*on.table.backing().borrow() {
            Some(backing) => Recording::File(backing.path().to_owned()),
            None => Recording::Memory(on.fault.clone()),
        }
    }

    /// What others may read.
    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        self.on.as_ref().map(|on| &on.shared)
    }

    /// The reactor is dropped: removes the file.
    pub(crate) fn close(&self) {
        if let Some(on) = &self.on {
            drop(on.table.backing().take());
            if let Some(watched) = on.watched.as_ref().filter(|_| on.is_watched.take()) {
                watched.end();
            }
        }
    }

    /// There is a new class with this id.
    pub(crate) fn class(&self, id: u8, class: Class) {
        let Some(on) = &self.on else { return };
        let word = u64::from(on.text(class.name())) | u64::from(class.rank()) << 16 | 1 << 24;
        store(&on.header()[head::CLASSES + usize::from(id)], word);
    }

    /// `block_on` or `run` begins.
    pub(crate) fn enter(
        &self,
        root: Name,
        class: u8,
        method: &'static str,
        at: &'static Location<'static>,
    ) {
        let Some(on) = &self.on else { return };
        on.tick();
        on.begin(Who::REACTOR);
        if let Some(watched) = &on.watched {
            watched.wakes();
            if !on.is_watched.replace(true) {
                watched.start();
            }
        }
        let name = u32::from(on.text(method)) | NAME_IS_TEXT;
        on.table.fill(&on.shared, root, class, Who::NOBODY, on.place(at), name);
    }

    /// It ends, or is left by a panic.
    pub(crate) fn leave(&self, root: u32) {
        let Some(on) = &self.on else { return };
        on.tick();
        on.begin(Who::REACTOR);
        if let Some(watched) = &on.watched {
            watched.sleeps();
        }
        on.table.free(&on.shared, root);
    }

    /// A poll begins.
    #[inline]
    pub(crate) fn begin_poll(&self, index: u32, name: Name) {
        if let Some(on) = &self.on {
            on.begin_poll(index, name);
        }
    }

    /// A poll has ended.
    #[inline]
    pub(crate) fn end_poll(&self, index: u32, class: u8, result: Polled) {
        if let Some(on) = &self.on {
            on.end_poll(index, class, result);
        }
    }

    /// The future of a task is about to be dropped, outside of a poll.
    pub(crate) fn begin_drop(&self, name: Name) {
        let Some(on) = &self.on else { return };
        on.begin(Who::task(name));
    }

    /// The reactor looks outside; what is woken from here on, `who` has woken.
    #[inline]
    fn acts(&self, who: Who) {
        if let Some(on) = &self.on {
            store(&on.header()[head::RUNNING], who.0);
        }
    }

    /// Timers that are due wake tasks.
    #[inline]
    pub(crate) fn timers_act(&self) {
        self.acts(Who::TIMER);
    }

    /// Wakes from other threads are taken in.
    #[inline]
    pub(crate) fn threads_act(&self) {
        self.acts(Who::THREAD);
    }

    /// The reactor cancels everything.
    pub(crate) fn reactor_acts(&self) {
        self.acts(Who::REACTOR);
    }

    /// Closures of other threads begin to run.
    pub(crate) fn begin_calls(&self) {
        let Some(on) = &self.on else { return };
        on.tick();
        on.begin(Who::CALL);
    }

    /// So many of them have run.
    pub(crate) fn end_calls(&self, count: usize) {
        let Some(on) = &self.on else { return };
        let (start, took) = on.tick();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        on.shared.push([start, Who::CALL.0, took, meta(kind::CALLS, 0, 0, count)]);
    }

    /// The system is about to be asked what is ready.
    #[inline]
    pub(crate) fn begin_wait(&self, sleeps: bool) {
        self.acts(Who::DESCRIPTOR);
        if let Some(on) = &self.on
            && let Some(watched) = on.watched.as_ref().filter(|_| sleeps)
        {
            watched.sleeps();
        }
    }

    /// It has said so. What is woken from here on was woken by a descriptor.
    #[inline]
    pub(crate) fn end_wait(&self, slept: bool, ready: usize) {
        let Some(on) = &self.on else { return };
        if let Some(watched) = on.watched.as_ref().filter(|_| slept) {
            watched.wakes();
        }
        let (start, took) = on.tick();
        let ready = u32::try_from(ready).unwrap_or(u32::MAX);
        let event = meta(kind::IO_WAIT, 0, u16::from(slept), ready);
        on.shared.push([start, Who::DESCRIPTOR.0, took, event]);
        if start + took - on.rated.get() > RATE_EVERY {
            on.rate();
        }
    }

    /// Keeps a name for a task that is about to be spawned.
    #[inline]
    pub(crate) fn keep_name(&self, name: Option<&str>) -> u32 {
        match (&self.on, name) {
            (Some(on), Some(name)) => on.table.keep_name(&on.shared, name),
            _ => 0,
        }
    }

    /// A task was spawned by another one, or by nobody. `name` is from [`keep_name`](Self::keep_name).
    #[inline]
    pub(crate) fn spawned(
        &self,
        new: Name,
        class: u8,
        parent: Option<Name>,
        at: &'static Location<'static>,
        name: u32,
    ) {
        let Some(on) = &self.on else { return };
        let parent = parent.map_or(Who::NOBODY, Who::task);
        let place = on.place(at);
        on.table.fill(&on.shared, new, class, parent, place, name);
        on.event(Who::task(new), parent.0, meta(kind::SPAWN, class, 0, place.into()));
    }

    /// A task was put into its queue for the first time.
    #[inline]
    pub(crate) fn is_ready(&self, index: u32) {
        if let Some(on) = &self.on
            && let Some(wait) = on.wait(index)
        {
            store(wait, wait::READY << wait::KIND_SHIFT);
        }
    }

    /// A task was put into its queue by a wake.
    #[inline]
    pub(crate) fn woken(&self, name: Name, class: u8) {
        if let Some(on) = &self.on {
            on.woken(name, class);
        }
    }

    /// The future of a task is gone.
    #[inline]
    pub(crate) fn done(&self, name: Name, class: u8, how: Ended) {
        let Some(on) = &self.on else { return };
        on.event(Who::task(name), 0, meta(kind::DONE, class, how as u16, 0));
        if let Some(entry) = on.shared.task(name.slot()) {
            let about = load(&entry[task::ABOUT]);
            store(&entry[task::ABOUT], about ^ ((task::LIVE ^ task::DONE) << 24));
        }
    }

    /// The slot of a task is free.
    #[inline]
    pub(crate) fn freed(&self, index: u32) {
        if let Some(on) = &self.on {
            on.table.free(&on.shared, index);
        }
    }

    /// A task is to be cancelled.
    pub(crate) fn cancelled(&self, name: Name, class: u8) {
        let Some(on) = &self.on else { return };
        let by = load(&on.header()[head::RUNNING]);
        on.event(Who::task(name), by, meta(kind::CANCEL, class, 0, 0));
    }

    /// A task is in another class from here on.
    pub(crate) fn changed_class(&self, index: u32, class: u8) {
        if let Some(on) = &self.on
            && let Some(entry) = on.shared.task(index)
        {
            let about = load(&entry[task::ABOUT]) & !(0xFF << 16);
            store(&entry[task::ABOUT], about | u64::from(class) << 16);
        }
    }

    /// A task has missed its deadline.
    pub(crate) fn missed(&self, name: Name, class: u8, late_ns: u64) {
        if let Some(on) = &self.on {
            on.event(Who::task(name), late_ns, meta(kind::MISS, class, 0, 0));
            on.fire(Trigger::DeadlineMiss);
        }
    }

    /// A class goes before a more urgent one, with this task.
    pub(crate) fn rescued(&self, name: Name, class: u8) {
        if let Some(on) = &self.on {
            on.event(Who::task(name), 0, meta(kind::RESCUE, class, 0, 0));
        }
    }

    /// A task is queued as one of this class, for somebody who waits for it: who acts.
    pub(crate) fn boosted(&self, name: Name, class: u8) {
        let Some(on) = &self.on else { return };
        let by = load(&on.header()[head::RUNNING]);
        on.event(Who::task(name), by, meta(kind::BOOST, class, 0, 0));
    }

    /// Something of the user's.
    pub(crate) fn mark(&self, running: Option<Name>, class: u8, label: &'static str, value: u64) {
        let Some(on) = &self.on else { return };
        let who = running.map_or(Who::NOBODY, Who::task);
        on.event(who, value, meta(kind::MARK, class, 0, on.text(label).into()));
    }

    /// What the task in this slot, which is being polled, waits for, and how many more of that.
    #[inline]
    pub(crate) fn waits_for(&self, index: u32, what: WaitsFor, more: usize) {
        let Some(on) = &self.on else { return };
        let Some(entry) = on.shared.task(index) else { return };
        let before = load(&entry[task::WAIT]);
        if let Some((word, other)) = what.after(before, more) {
            if let Some(other) = other {
                store(&entry[task::WAIT_TASK], other);
            }
            entry[task::WAIT].store(word, Ordering::Release);
        }
    }
}

impl On {
    fn new((spec, hooks): (&RecorderSpec, &Hooks), clock: Clock, reactor: u64) -> io::Result<Self> {
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
    fn header(&self) -> &[AtomicU64] {
        self.shared.header()
    }

    /// Takes the time. Returns the one that was taken before, and how many ticks have passed.
    #[inline]
    fn tick(&self) -> (u64, u64) {
        let word = &self.header()[head::NOW];
        let (before, now) = (load(word), self.clock.ticks());
        // The counter of another processor may be a little behind.
        let took = now.saturating_sub(before);
        store(word, before + took);
        (before, took)
    }

    // What happens for each poll is in functions of its own, so that it takes no registers from those
    // who call them where the recorder is off.

    /// See [`Recorder::begin_poll`].
    #[inline(never)]
    fn begin_poll(&self, index: u32, name: Name) {
        self.begin(Who::task(name));
        if let Some(wait) = self.wait(index) {
            store(wait, wait::UNKNOWN);
        }
    }

    /// See [`Recorder::end_poll`].
    #[inline(never)]
    fn end_poll(&self, index: u32, class: u8, result: Polled) {
        let who = load(&self.header()[head::RUNNING]);
        let (start, took) = self.tick();
        self.shared.push([start, who, took, meta(kind::POLL, class, result as u16, 0)]);
        self.charge(index, took);
        if took > self.slow {
            self.shared.push([start, who, took, meta(kind::OVERRUN, class, 0, 0)]);
            self.fire(Trigger::SlowPoll);
        }
        if result == Polled::Panicked {
            self.fire(Trigger::Panic);
        }
    }

    /// See [`Recorder::woken`].
    #[inline(never)]
    fn woken(&self, name: Name, class: u8) {
        let by = load(&self.header()[head::RUNNING]);
        let who = Who::task(name);
        let kind = if by == who.0 { kind::YIELD } else { kind::WAKE };
        self.event(who, by, meta(kind, class, 0, 0));
        if let Some(entry) = self.shared.task(name.slot()) {
            store(&entry[task::WAKER], by);
            store(&entry[task::WAIT], wait::READY << wait::KIND_SHIFT);
        }
    }

    /// Something begins that may keep the reactor.
    #[inline]
    fn begin(&self, who: Who) {
        let header = self.header();
        store(&header[head::RUNNING], who.0);
        store(&header[head::BEGUN], load(&header[head::BEGUN]) + 1);
    }

    /// Something has happened for which somebody may want the record.
    #[cold]
    fn fire(&self, trigger: Trigger) {
        if let Some(watched) = &self.watched {
            watched.fire(trigger);
        }
    }

    /// Adds a poll to what the table says of a task.
    #[inline]
    fn charge(&self, index: u32, took: u64) {
        let Some(entry) = self.shared.task(index) else { return };
        let (polls, cpu) = (&entry[task::POLLS], &entry[task::CPU]);
        let before = load(polls);
        let longest = (took >> task::LONGEST_SHIFT).min(u64::from(u32::MAX)).max(before >> 32);
        // The number of polls begins anew beyond its 32 bits.
        let count = before.wrapping_add(1) & u64::from(u32::MAX);
        store(polls, longest << 32 | count);
        store(cpu, load(cpu) + took);
    }

    /// The word that says what a task waits for.
    #[inline]
    fn wait(&self, index: u32) -> Option<&AtomicU64> {
        self.shared.task(index).map(|entry| &entry[task::WAIT])
    }

    /// Writes an event that takes no time.
    #[inline]
    fn event(&self, who: Who, value: u64, meta: u64) {
        self.shared.push([load(&self.header()[head::NOW]), who.0, value, meta]);
    }

    /// Takes the rate of the clock, which is known better the longer it goes.
    fn rate(&self) {
        self.rated.set(load(&self.header()[head::NOW]));
        store(&self.header()[head::NS_PER_TICK], self.clock.ns_per_tick().to_bits());
    }

    /// The id of a place in the source.
    #[inline]
    fn place(&self, at: &'static Location<'static>) -> u16 {
        let address = std::ptr::from_ref(at).addr();
        self.lately.get(address, || {
            let head = self.shared.head_words();
            self.texts.borrow_mut().id(head, (address, 0), || at.to_string())
        })
    }

    /// The id of a text.
    fn text(&self, text: &'static str) -> u16 {
        let key = (text.as_ptr().addr(), text.len());
        self.texts.borrow_mut().id(self.shared.head_words(), key, || text.to_owned())
    }
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
