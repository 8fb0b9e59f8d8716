//! One pass of the reactor.
//!
//! A turn takes in what other threads sent, asks the driver for readiness (sleeping if no task is
//! ready), fires the timers that are due, and then polls ready tasks, the most urgent first. It ends
//! when none is ready, or early, so that the next turn can look at the outside again:
//!
//! - after [`POLLS_PER_TURN`] polls, or [`SLICE`] of time since the clock was first looked at: tasks that
//!   wake themselves cannot starve descriptors and timers;
//! - after a poll of a lower class while a task of a higher class waits for a descriptor, as soon as
//!   the configured latency has passed since the last look; for a timer, as soon as one is due.
//!
//! While time is taken after each poll anyway (see [`Classes::is_metered`](crate::classes::Classes)),
//! timers that are due fire then, so that whom they wake is in the choice of the next task.
//!
//! Timers that are started while timers fire are looked at in the next turn, or after a poll, which is one of those
//! that a turn has; so `call_later(0)` in a loop does not starve anything either.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::contain::contain_and_discard;
use crate::driver::Wait;
use crate::embed::Turn;
use crate::engine::{Engine, count};
use crate::name::Name;
use crate::record::Polled;
use crate::tasks::{ROOT, Slot, State};
use crate::waker;

/// How many polls a turn does at most.
const POLLS_PER_TURN: u32 = 64;
/// How long a turn lasts at most, give or take the polls between two looks at the clock and those before
/// the first.
pub(crate) const SLICE: Duration = Duration::from_micros(200);
/// How many polls may pass between two looks at the clock while polls are short.
const POLLS_PER_LOOK: u32 = 16;

/// When to look at the clock. Reading it costs as much as a short poll, so while nobody urgent waits
/// the looks get rarer, 1, 2, 4, 8 polls apart, until one finds the slice used up.
struct Pace {
    /// When the last look at the outside ended. None until the first look at the clock where time
    /// decides nothing else and polls have been short: the slice begins with that one.
    looked: Option<Instant>,
    /// When the recorder last took the time before the turn, if there is one.
    ticks: u64,
    /// Polls until the next look at the clock.
    left: u32,
}

impl Engine {
    /// Turns until `root` is ready. `root` is called whenever the root's name is woken.
    pub(crate) fn drive<T>(&self, mut root: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let mut result = None;
        self.drive_until(&mut |cx| root(cx).map(|ready| result = Some(ready)));
        result.expect("it has returned")
    }

    /// The same for any type of result: all that is done for each poll is compiled once.
    fn drive_until(&self, root: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let root_waker = waker::of(self.tasks.name(ROOT));
        let mut cx = Context::from_waker(&root_waker);
        self.tasks.enqueue(ROOT);
        loop {
            let looked = self.look_outside(Duration::MAX);
            if self.run_ready(looked, &mut cx, root) {
                return;
            }
        }
    }

    /// One turn without a root, that sleeps for `longest` at most.
    pub(crate) fn turn_once(&self, longest: Duration) -> Turn {
        let root_waker = waker::of(self.tasks.name(ROOT));
        let mut cx = Context::from_waker(&root_waker);
        self.has_seen_all.set(false);
        self.has_run_calls.set(false);
        let polls = self.counters.polls.get();
        // In a reactor that has ended nothing comes any more.
        let longest = if self.is_closed.get() { Duration::ZERO } else { longest };
        let looked = self.look_outside(longest);
        self.run_ready(looked, &mut cx, &mut |_| Poll::Pending);
        if self.is_closed.get() {
            return Turn::Ended;
        }
        // What it has done may have changed something for which the other loop has to look before it sleeps.
        let has_acted = self.counters.polls.get() != polls || self.has_run_calls.get();
        let is_idle = !has_acted
            && self.has_seen_all.get()
            && !self.tasks.any_ready()
            && !self.shutdown_requested.get()
            && self.rest();
        if is_idle { Turn::Idle } else { Turn::Again }
    }

    /// Lets the loop that this one is part of sleep: has the descriptor say when there is something to do. False
    /// if there is already.
    fn rest(&self) -> bool {
        let after = match self.time_to_sleep(Duration::MAX) {
            Wait::Never | Wait::Look => return false,
            Wait::For(duration) => Some(duration),
            Wait::Forever => None,
        };
        let mut driver = self.driver.borrow_mut();
        let is_quiet = driver.as_mut().is_some_and(|driver| {
            driver.alarm(after).expect("setting a valid timer to a valid time cannot fail")
        });
        // Last: from here on who pushes unparks.
        let rests = is_quiet && self.mailbox().inbox().begin_park();
        self.rests.set(rests);
        rests
    }

    /// Ends a rest: nothing has to be announced any more.
    pub(crate) fn rest_no_more(&self) {
        if self.rests.take() {
            self.mailbox().inbox().end_park();
        }
    }

    /// Takes in what happened outside; sleeps if no task is ready, for `longest` at most. Returns when that was,
    /// if it matters.
    fn look_outside(&self, longest: Duration) -> Option<Instant> {
        count(&self.counters.turns);
        self.drain_inbox();
        if self.shutdown_requested.take() {
            self.close();
            // Even if nothing is announced: it may have been pushed already.
            self.drain();
        }
        if self.tasks.any_ready() {
            // Without sources there is nothing the driver could tell.
            if self.sources.len() > 0 {
                self.wait(Wait::Never);
            }
        } else {
            let sleep = self.time_to_sleep(longest);
            if self.mailbox().inbox().begin_park() {
                self.wait(sleep);
                self.mailbox().inbox().end_park();
            } else {
                // Calls that send calls must not keep the reactor from its descriptors.
                self.wait(Wait::Never);
            }
            self.drain_inbox();
        }
        self.is_time_needed().then(|| {
            let now = self.now();
            self.fire_timers(now);
            now
        })
    }

    /// Whether it matters how late it is: a timer may be due, time decides who goes first, or the last
    /// turn has used its slice up.
    fn is_time_needed(&self) -> bool {
        self.clock_gap.get() == 1
            || self.tasks.classes.needs_time()
            || self.timers.borrow().len() > 0
    }

    /// A class is about to have its first task, or another policy, so that time may decide something
    /// from here on: sets the clock of the classes, which stands still until then.
    pub(crate) fn freshen_clock(&self) {
        let classes = &self.tasks.classes;
        if !classes.is_metered() {
            classes.set_clock(self.now());
        }
    }

    /// Polls ready tasks until none is left or the turn is over. True if the root has finished.
    fn run_ready(
        &self,
        looked: Option<Instant>,
        cx: &mut Context<'_>,
        root: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> bool {
        let (ticks, left) = (self.recorder().turn_begins(), self.clock_gap.get());
        let mut pace = Pace { looked, ticks, left };
        if let Some(looked) = looked {
            self.tasks.classes.set_clock(looked);
        }
        for _ in 0..POLLS_PER_TURN {
            if self.mailbox().inbox().is_pending() {
                self.drain_inbox();
            }
            let Some((index, slot)) = self.tasks.pop() else { return false };
            let class = slot.class.get();
            if index == ROOT {
                if self.poll_root(slot, cx, root) {
                    return true;
                }
            } else {
                self.poll_task(index, slot);
            }
            if self.is_turn_over(class, &mut pace) {
                break;
            }
        }
        false
    }

    /// Polls the root, which is in this slot. True if it has finished.
    fn poll_root(
        &self,
        slot: &Slot,
        cx: &mut Context<'_>,
        root: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> bool {
        let class = slot.class.get();
        slot.clear(State::QUEUED);
        let entry = self.begin_poll(self.tasks.name_of(ROOT, slot));
        slot.set(State::STARTED);
        let is_ready = root(cx).is_ready();
        let result = if is_ready { Polled::Ready } else { Polled::Pending };
        self.recorder().end_poll(entry, class, result);
        self.leave_poll();
        if !is_ready {
            self.end_poll(ROOT);
        }
        is_ready
    }

    /// Whether it is time to look outside, after a poll of `class`.
    #[inline]
    fn is_turn_over(&self, class: u8, pace: &mut Pace) -> bool {
        if self.tasks.classes.needs_time() {
            self.is_turn_over_by_time(class, pace)
        } else {
            self.is_slice_over(pace, None)
        }
    }

    /// The same where time may decide something. Charges the poll to the class then.
    fn is_turn_over_by_time(&self, class: u8, pace: &mut Pace) -> bool {
        let classes = &self.tasks.classes;
        let is_metered = classes.is_metered();
        let urgent = classes.urgent_ranks(class);
        let urgent_io = self.sources.armed() & urgent;
        let urgent_timers = self.timers.borrow().armed() & urgent != 0;
        let now = (is_metered || urgent_io != 0 || urgent_timers).then(|| self.now());
        if let Some(now) = now
            && is_metered
        {
            classes.charge(class, now);
            // Time is known: whoever is due by now takes part in the choice of the next task.
            self.fire_timers(now);
        }
        if let Some(now) = now
            && (urgent_io != 0 || urgent_timers)
        {
            let gap = if urgent_io != 0 { classes.latency(urgent_io).min(SLICE) } else { SLICE };
            // Without a time, those that are more urgent have come up in this turn.
            return pace.looked.is_none_or(|looked| now - looked >= gap)
                || self.timers.borrow().next().is_some_and(|deadline| deadline <= now);
        }
        self.is_slice_over(pace, now)
    }

    /// Whether the turn has lasted long enough, after one more poll. The time, if it is known.
    #[inline]
    fn is_slice_over(&self, pace: &mut Pace, now: Option<Instant>) -> bool {
        pace.left -= 1;
        pace.left == 0 && self.look_at_clock(pace, now)
    }

    /// Whether the turn has lasted long enough, now that it is time to look.
    fn look_at_clock(&self, pace: &mut Pace, now: Option<Instant>) -> bool {
        let is_over = match (now, self.recorder().is_turn_over(pace.ticks)) {
            // It has taken the time just now.
            (None, Some(is_over)) => is_over,
            (now, _) => {
                let now = now.unwrap_or_else(|| self.now());
                let Some(looked) = pace.looked else {
                    (pace.looked, pace.left) = (Some(now), self.clock_gap.get());
                    return false;
                };
                now - looked >= SLICE
            }
        };
        let gap = if is_over { 1 } else { (self.clock_gap.get() * 2).min(POLLS_PER_LOOK) };
        self.clock_gap.set(gap);
        pace.left = gap;
        is_over
    }

    /// Wakes and runs what other threads sent. Only what was there at entry: a call that sends
    /// another one does not keep the reactor here.
    fn drain_inbox(&self) {
        if self.mailbox().inbox().is_pending() {
            self.drain();
        }
    }

    /// As [`drain_inbox`](Self::drain_inbox), without a look whether anything has come.
    fn drain(&self) {
        let mut drained = self.drained.take();
        self.mailbox().inbox().drain(&mut drained);
        self.recorder().threads_act();
        for bits in drained.names.drain(..) {
            self.tasks.wake_from_inbox(Name::from_bits(bits));
        }
        let calls = drained.calls.len();
        if calls > 0 {
            self.has_run_calls.set(true);
            self.recorder().begin_calls();
            while let Some(call) = drained.calls.pop_front() {
                if contain_and_discard(call) {
                    count(&self.counters.panics);
                }
            }
            self.recorder().end_calls(calls);
        }
        self.drained.replace(drained);
    }

    /// How long nothing can happen by itself, `longest` at most.
    fn time_to_sleep(&self, longest: Duration) -> Wait {
        let timers = self.timers.borrow();
        let next = if timers.len() == 0 { None } else { timers.next() };
        let until = next.map(|deadline| deadline.saturating_duration_since(self.now()));
        match until {
            Some(Duration::ZERO) => Wait::Never,
            _ if longest.is_zero() => Wait::Look,
            None if longest == Duration::MAX => Wait::Forever,
            until => Wait::For(until.unwrap_or(longest).min(longest)),
        }
    }

    /// Asks the driver and wakes those whose descriptors are ready.
    fn wait(&self, sleep: Wait) {
        count(&self.counters.waits);
        self.has_seen_all.set(sleep != Wait::Never);
        let mut events = self.events.take();
        self.recorder().begin_wait(sleep != Wait::Never);
        // While nothing is ready, all of them are due.
        let due = if sleep == Wait::Never { self.tasks.classes.due_ranks() } else { u8::MAX };
        if let Some(driver) = self.driver.borrow_mut().as_mut() {
            driver
                .wait(sleep, due, &mut events)
                .expect("waiting on a valid poll set with a valid timeout cannot fail");
        }
        self.recorder().end_wait(sleep != Wait::Never, events.len());
        for event in &events {
            self.sources.event(*event, |(waker, _)| self.wake_contained(waker));
        }
        events.clear();
        self.events.replace(events);
    }

    /// Wakes whose deadline is not after `now`, in the order of (deadline, start).
    fn fire_timers(&self, now: Instant) {
        loop {
            let due = self.timers.borrow_mut().pop_due(now);
            let Some((waker, _)) = due else { break };
            self.recorder().timers_act();
            self.wake_contained(waker);
        }
    }

    /// Refuses new tasks and drops the futures of all tasks but the root, the newest first.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.mailbox().inbox().shut_down();
        self.recorder().reactor_acts();
        // Drops may spawn: such tasks are cancelled at birth. One pass is therefore enough.
        for index in self.tasks.live_newest_first() {
            self.cancel_now(index);
        }
        if self.tasks.slot(ROOT).state().has(State::LIVE) {
            self.tasks.enqueue(ROOT);
        }
    }
}

#[cfg(test)]
mod tests;
