//! The writer of a record: what the reactor calls when something happens.
//!
//! To read the clock is nearly all that a record costs (8.4 of 9.3 ns for a poll that does nothing, where the
//! processor waits for its time-stamp counter and does the rest meanwhile). So it is read as rarely as can be:
//! time is taken once per poll, at its end, which is also the beginning of the next one; and after a
//! wait for the system, and after calls. Everything else has the time that was taken last.
//!
//! No cheaper clock will do. What it takes to read one, beside work that the processor goes on with meanwhile, and
//! by itself (AMD Zen 5, in a virtual machine):
//!
//! | clock | ns | |
//! |---|---|---|
//! | time-stamp counter | 4 to 20 | taken where the kernel trusts it, which means that all processors agree |
//! | the same by `rdtscp` | 53 to 61 | waits for all that comes before it, which no event needs |
//! | `CLOCK_MONOTONIC` | 67 | taken elsewhere |
//! | `CLOCK_MONOTONIC_COARSE` | 1 to 3 | counts milliseconds, and would tell nothing of a poll that takes a microsecond |
//!
//! And time that is taken for several polls at once would not tell which of them was long.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clock::Clock;
use super::event::{Ended, Polled};
use super::hooks::{Hooks, Trigger};
use super::layout::{NAME_IS_TEXT, Who, head, kind, task, wait};
use super::options::{RecorderSpec, Recording};
use super::pen::{Pen, load, meta, store};
use super::shared::{Entry, Shared};
use super::wait::WaitsFor;
use crate::class::Class;
use crate::name::Name;

/// Writes down what a reactor does, unless it is switched off.
#[derive(Debug)]
pub(crate) struct Recorder {
    on: Option<Pen>,
}

impl Recorder {
    /// Starts to record the reactor with this number. That never fails: without a file memory is used, and
    /// without memory nothing is recorded.
    pub(crate) fn new((spec, hooks): (&RecorderSpec, &Hooks), clock: Clock, reactor: u64) -> Self {
        let on = spec.is_on.then(|| Pen::new((spec, hooks), clock, reactor).ok()).flatten();
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

    /// A poll begins. Returns what [`end_poll`](Self::end_poll) asks for.
    #[inline]
    pub(crate) fn begin_poll(&self, name: Name) -> Option<&Entry> {
        self.on.as_ref()?.begin_poll(name)
    }

    /// A poll has ended, of the task with this entry in the table.
    #[inline]
    pub(crate) fn end_poll(&self, entry: Option<&Entry>, class: u8, result: Polled) {
        if let Some(on) = &self.on {
            on.end_poll(entry, class, result);
        }
    }

    /// The poll that has ended was left by a panic.
    pub(crate) fn panicked(&self) {
        if let Some(on) = &self.on {
            on.fire(Trigger::Panic);
        }
    }

    /// When time was last taken, for [`is_turn_over`](Self::is_turn_over).
    #[inline]
    pub(crate) fn turn_begins(&self) -> u64 {
        self.on.as_ref().map_or(0, |on| load(&on.header()[head::NOW]))
    }

    /// Whether a turn that began then has lasted long enough, by the time that was taken after the last
    /// poll. None if none is taken.
    #[inline]
    pub(crate) fn is_turn_over(&self, began: u64) -> Option<bool> {
        self.on.as_ref().map(|on| load(&on.header()[head::NOW]) - began >= on.turn)
    }

    /// The future of a task is about to be dropped, outside of a poll.
    pub(crate) fn begin_drop(&self, name: Name) {
        let Some(on) = &self.on else { return };
        on.begin(Who::task(name));
    }

    /// It was: the time that this has taken is not the next poll's.
    pub(crate) fn end_drop(&self, class: u8) {
        if let Some(on) = &self.on {
            on.end_drop(class);
        }
    }

    /// The future of a task is dropped, by `f`, in the midst of something else, which goes on afterwards.
    pub(crate) fn within(&self, name: Name, f: impl FnOnce()) {
        let Some(on) = &self.on else { return f() };
        let running = &on.header()[head::RUNNING];
        let (outer, yields) = (load(running), on.yields.get());
        store(running, Who::task(name).0);
        f();
        store(running, outer);
        on.yields.set(yields);
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
        on.rate_now_and_then();
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

    /// A task that waits in a line does so behind another one from here on, or behind nobody known.
    pub(crate) fn moves_up(&self, name: Name, ahead: Option<Name>) {
        let Some(on) = &self.on else { return };
        let Some(entry) = on.shared.task(name.slot()) else { return };
        let is_in_line = load(&entry[task::WAIT]) >> wait::KIND_SHIFT == wait::LOCK;
        if is_in_line && load(&entry[task::TASK]) == Who::task(name).0 {
            store(&entry[task::WAIT_TASK], ahead.map_or(Who::NOBODY, Who::task).0);
        }
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
