//! The circuit breaker: what happens when workers cannot be started, or die before they do anything.
//!
//! A worker whose life was of no use is replaced later and later ([`back_off_ns`]). A life was of
//! use when it answered something, or executed a call for [`USEFUL_NS`], or was ended by the parent
//! itself for its call (a limit, `kill`): a worker that is killed in the middle of work says nothing
//! about the next one. Only those that die before they are ready open the breaker:
//!
//! | breaker | calls | workers | next | when |
//! |---|---|---|---|---|
//! | closed | taken | started as they are needed | open | [`MAX_START_FAILURES`] starts in a row have failed, and nobody serves |
//! | open | fail at once, with the reason | none is started | half-open | the first call after the pause |
//! | half-open | taken, and wait | one is started | closed | that one is ready |
//! | | | | open, for twice as long | that one fails: what waits fails with its reason |
//!
//! So a pool recovers on its own when the cause has gone (a licence is renewed, memory is free
//! again), nobody waits for ever, and a pool that nobody uses does nothing.

use crate::clock;
use crate::error::JoinError;

use super::recycle::Post;
use super::seat::Seat;
use super::settle::Settled;
use super::{Core, State};

/// Starts in a row that may fail before the breaker opens.
const MAX_START_FAILURES: u32 = 5;

/// A worker that has executed a call for so long was of use.
pub(super) const USEFUL_NS: u64 = 50_000_000;

/// The first back-off after a useless life; doubled each time.
const BACK_OFF_NS: u64 = 10_000_000;

/// The longest back-off.
const MAX_BACK_OFF_NS: u64 = 1_000_000_000;

/// How long the breaker stays open at first; doubled each time that a try fails.
const PAUSE_NS: u64 = 1_000_000_000;

/// How long it stays open at most.
const MAX_PAUSE_NS: u64 = 60_000_000_000;

/// The circuit breaker of a core.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Starts in a row that have failed.
    failures: u32,
    /// Tries in a row that have failed.
    tries: u32,
    /// Set when it is not closed.
    open: Option<Open>,
}

/// A breaker that is open or half-open.
#[derive(Debug)]
struct Open {
    /// Why the last start failed.
    reason: String,
    /// When the next call brings a try.
    until_ns: u64,
    /// True while a worker is tried: it is half-open.
    trying: bool,
}

impl Breaker {
    /// Why calls fail, while they do.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.open.as_ref().filter(|open| !open.trying).map(|open| open.reason.as_str())
    }

    /// A call comes: true when it is the one for which a worker is to be tried.
    fn try_now(&mut self, now_ns: u64) -> bool {
        let due = self.open.as_mut().filter(|open| !open.trying && open.until_ns <= now_ns);
        due.is_some_and(|open| {
            open.trying = true;
            true
        })
    }

    /// A worker is ready. True when it was one that was tried: the breaker is closed again.
    pub(super) fn close(&mut self) -> bool {
        if self.refusal().is_some() {
            // It was started before the breaker opened, and is not wanted.
            return false;
        }
        let tried = self.open.is_some();
        *self = Self::default();
        tried
    }

    /// A start has failed; `serving` tells whether somebody serves nevertheless.
    fn note_failure(&mut self, reason: String, serving: bool, now_ns: u64) {
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= MAX_START_FAILURES && !serving && self.open.is_none();
        let tried = self.open.as_ref().is_some_and(|open| open.trying);
        if opens || tried {
            let pause_ns = PAUSE_NS.saturating_mul(1 << self.tries.min(16)).min(MAX_PAUSE_NS);
            self.tries = self.tries.saturating_add(1);
            let until_ns = now_ns.saturating_add(pause_ns);
            self.open = Some(Open { reason, until_ns, trying: false });
        }
    }
}

impl Core {
    /// A call comes: says why it fails at once, if it does. If it is the first one after the pause,
    /// a worker is tried.
    pub(super) fn refusal(&self, state: &mut State) -> Option<JoinError> {
        let now_ns = clock::now_ns();
        if state.breaker.try_now(now_ns) {
            let vacant = state.seats.iter_mut().find(|seat| seat.is_vacated());
            if let Some(seat) = vacant {
                seat.start_at_ns = Some(now_ns);
            }
            // If there is no such seat, one comes into one already, or soon: see `keep_trying`.
            self.alarm.ring();
        }
        let reason = state.breaker.refusal()?.to_owned();
        Some(JoinError::Broken { reason })
    }
}

impl State {
    /// Counts a start that failed; after too many in a row every call fails.
    pub(super) fn note_start_failure(&mut self, reason: String, settled: &mut Settled) {
        let serving =
            self.seats.iter().any(|seat| seat.is_serving() && seat.room() + seat.load() > 0);
        self.breaker.note_failure(reason, serving, clock::now_ns());
        self.fail_if_broken(settled);
    }

    /// While the breaker is open: fails what is queued, and what came back into the queue since.
    pub(super) fn fail_if_broken(&mut self, settled: &mut Settled) {
        let Some(reason) = self.breaker.refusal() else { return };
        let failed = |call| (call, Err(JoinError::Broken { reason: reason.to_owned() }));
        settled.extend(self.queue.take_all(&mut self.remains).into_iter().map(failed));
    }

    /// While a worker is tried, one is on its way: the seat of the one that was to be tried may be gone,
    /// because fewer workers were asked for, or because it could not be started for `resize`. Who waits
    /// for the try would wait for ever.
    pub(super) fn keep_trying(&mut self, now_ns: u64) {
        let trying = self.breaker.open.as_ref().is_some_and(|open| open.trying);
        let comes = |seat: &Seat| {
            let on_its_way = seat.process.is_some() || seat.launching || seat.start_at_ns.is_some();
            seat.post == Post::Open && !seat.one_shot && on_its_way
        };
        if !trying || self.seats.iter().any(comes) {
            return;
        }
        // If all are asleep, a call in the queue wakes one.
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.is_vacated()) {
            seat.start_at_ns = Some(now_ns);
        }
    }

    /// The worker that was tried is ready: the others are started, too.
    pub(super) fn reopen_seats(&mut self) {
        let now_ns = clock::now_ns();
        for seat in &mut self.seats {
            if seat.is_vacated() {
                seat.failures = 0;
                seat.start_at_ns.get_or_insert(now_ns);
            }
        }
    }
}

impl Seat {
    /// True when a worker is to be here, and neither is nor is being started.
    fn is_vacated(&self) -> bool {
        let is_open = self.post == Post::Open && !self.one_shot;
        is_open && self.process.is_none() && !self.launching
    }
}

/// How long a seat stays empty after this many useless lives in a row.
pub(crate) fn back_off_ns(failures: u32) -> u64 {
    match failures {
        0 | 1 => 0,
        more => BACK_OFF_NS.saturating_mul(1 << (more - 2).min(16)).min(MAX_BACK_OFF_NS),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Config, Threads};
    use super::*;
    use crate::call::Call;

    /// Anything that takes longer is taken for a hang.
    const BOUND: Duration = Duration::from_secs(30);

    /// A breaker that has just opened, at time 0.
    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 1..MAX_START_FAILURES {
            breaker.note_failure("early".to_owned(), false, 0);
            assert_eq!(breaker.refusal(), None);
        }
        breaker.note_failure("last".to_owned(), false, 0);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_with_nobody_serving() {
        assert_eq!(open().refusal(), Some("last"));
        let mut breaker = Breaker::default();
        for _ in 0..2 * MAX_START_FAILURES {
            breaker.note_failure(String::new(), true, 0);
        }
        assert_eq!(breaker.refusal(), None, "somebody serves");
        breaker.close();
        breaker.note_failure(String::new(), false, 0);
        assert_eq!(breaker.refusal(), None, "not in a row");
    }

    #[test]
    fn one_call_after_the_pause_brings_one_try() {
        let mut breaker = open();
        assert!(!breaker.try_now(PAUSE_NS - 1));
        assert!(breaker.try_now(PAUSE_NS));
        assert!(!breaker.try_now(PAUSE_NS) && breaker.refusal().is_none(), "others wait with it");
        breaker.note_failure("again".to_owned(), false, PAUSE_NS);
        assert_eq!(breaker.refusal(), Some("again"));
        assert!(!breaker.try_now(3 * PAUSE_NS - 1), "twice as long");
        assert!(breaker.try_now(3 * PAUSE_NS));
        assert!(breaker.close());
        assert!(breaker.refusal().is_none() && breaker.tries == 0);
    }

    #[test]
    fn who_was_started_before_does_not_close_it() {
        let mut breaker = open();
        assert!(!breaker.close());
        assert_eq!(breaker.refusal(), Some("last"));
    }

    /// A core with two seats and without workers, whose breaker tries one from now on.
    fn trying() -> (Arc<Core>, Threads) {
        let (core, threads) = Core::start(Config::new("try", 1 << 20, BOUND)).unwrap();
        let mut state = core.lock();
        state.seats.extend([Seat::new(false), Seat::new(false)]);
        state.breaker = open();
        // Its pause is over: the clock began with the machine.
        assert!(core.refusal(&mut state).is_none());
        assert!(state.seats[0].start_at_ns.is_some() && state.seats[1].start_at_ns.is_none());
        state.seats[0].start_at_ns = None;
        drop(state);
        (core, threads)
    }

    #[test]
    fn a_try_goes_on_when_the_seat_for_it_is_gone() {
        let (core, threads) = trying();
        let mut state = core.lock();
        state.breaker = open();
        assert!(core.refusal(&mut state).is_none());
        // As `resize` does.
        core.retire(&mut state, 0);
        assert_eq!(state.seats[0].post, Post::Vacant);
        drop(state);
        let function: fn(u8) -> u8 = |x| x;
        let (call, ticket) = Call::new(function, &7, core.ways(), None).unwrap();
        core.submit(call);
        assert!(ticket.wait(Some(BOUND)), "nobody is on the way");
        assert!(ticket.take().unwrap().is_ok());
        core.close(false);
        threads.join();
    }

    #[test]
    fn nobody_is_started_for_a_seat_that_is_being_filled() {
        let (core, threads) = trying();
        let mut state = core.lock();
        for seat in &mut state.seats {
            (seat.launching, seat.start_at_ns) = (true, None);
        }
        state.breaker = open();
        assert!(core.refusal(&mut state).is_none());
        state.reopen_seats();
        state.keep_trying(0);
        assert!(state.seats.iter().all(|seat| seat.start_at_ns.is_none()));
        state.seats[0].start_at_ns = Some(0);
        drop(state);
        core.occupy_if_due(0).unwrap();
        let mut state = core.lock();
        assert!(state.seats.iter().all(|seat| seat.process.is_none() && seat.launching));
        for seat in &mut state.seats {
            (seat.launching, seat.start_at_ns) = (false, None);
        }
        drop(state);
        core.close(false);
        threads.join();
    }

    #[test]
    fn pauses_have_an_end() {
        let mut breaker = open();
        let mut now_ns = 0;
        for _ in 0..100 {
            now_ns += MAX_PAUSE_NS;
            assert!(breaker.try_now(now_ns));
            breaker.note_failure(String::new(), false, now_ns);
        }
    }
}
