//! Time limits of calls, and workers that have fallen silent.
//!
//! A limit counts from the moment a worker starts the call; the board says when that was. A
//! worker that is stopped (SIGSTOP, a debugger, a frozen cgroup) starts nothing, so without more
//! its calls would wait for as long as it is stopped, in spite of their limits. Therefore a call
//! with a limit also bounds the *silence* of its worker: holding that call, executing none, and
//! answering nothing. When silence has lasted, the worker is given up: what it has not started
//! goes back to the queue, and it is killed and replaced. A call without a limit bounds it as well,
//! at [`MAX_PATIENCE`], which is looked after only [`LATE_LOOK`] after the call was sent; so a pool that
//! has become idle wakes up once more, and no process of its own ([`spawn`](crate::spawn())) is meant.
//!
//! An innocent worker is not given up because the parent itself was stopped for a while and has
//! not read its answers: silence must be found by several looks, with time between them.

use std::time::Duration;

use crate::board::Claim;
use crate::call::Call;
use crate::clock;
use crate::ticket::Place;

use super::process::Doom;
use super::seat::Seat;

/// While a call with a time limit has not started, its start is looked for no more often.
const MIN_CHECK_NS: u64 = 1_000_000;

/// Silence is never taken for the worker's end before this time: the machine may be busy.
const MIN_PATIENCE: Duration = Duration::from_secs(1);

/// Silence is always taken for the worker's end after this time.
const MAX_PATIENCE: Duration = Duration::from_secs(10);

/// A call with a limit is looked at no later after it was sent: silence is noticed from then on.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(2_500);

/// A call without one is looked at no later.
pub(super) const LATE_LOOK: Duration = Duration::from_secs(10);

/// How many looks must find the same silence.
const LOOKS: u32 = 4;

/// A worker has held a call for a while, executed none and answered nothing.
#[derive(Debug)]
pub(super) struct Silence {
    /// The seat's count of answers when it began.
    answers: u64,
    /// How many looks have found it since.
    looks: u32,
    /// When the next look counts.
    next_ns: u64,
}

impl Silence {
    /// It begins now, at this count of answers.
    fn new(answers: u64, now_ns: u64, patience: Duration) -> Self {
        Self { answers, looks: 0, next_ns: now_ns.saturating_add(step_ns(patience)) }
    }

    /// Looks again. True when it has lasted.
    fn look(&mut self, now_ns: u64, patience: Duration) -> bool {
        if now_ns >= self.next_ns {
            self.looks += 1;
            self.next_ns = now_ns.saturating_add(step_ns(patience));
        }
        self.looks >= LOOKS
    }
}

/// The time between two looks.
fn step_ns(patience: Duration) -> u64 {
    clock::to_ns(patience / LOOKS)
}

/// What a look at a worker's limits found.
#[derive(Debug)]
pub(super) struct Findings {
    /// When to look again.
    pub(super) next_ns: Option<u64>,
    /// True when the worker is to be given up.
    pub(super) silent: bool,
}

impl Seat {
    /// Kills the worker if its call ran out of time; says whether it has fallen silent, and when
    /// to look again.
    pub(super) fn enforce_limits(&mut self, index: usize, now_ns: u64) -> Findings {
        let mut next: Option<u64> = None;
        let mut look_at = |at_ns: u64| next = Some(next.map_or(at_ns, |next| next.min(at_ns)));
        let (mut overdue, mut running) = (None, false);
        // The shortest limit of the calls that it holds and does not execute.
        let mut held: Option<Duration> = None;
        let mut waits = false;
        for (slot, entry) in self.occupied() {
            let Some(call) = &entry.call else { continue };
            let claim = self.look(slot, entry);
            running |= matches!(claim, Claim::Running { .. });
            let Some(limit) = call.timeout else {
                waits |= !matches!(claim, Claim::Running { .. }) && entry.left() > 0;
                continue;
            };
            let limit_ns = clock::to_ns(limit);
            if let Claim::Running { index: item, started_ns } = claim {
                let at_ns = started_ns.saturating_add(limit_ns);
                if at_ns <= now_ns {
                    let place = Place { seat: index, slot, sequence: entry.sequence };
                    overdue = Some((place, item, limit));
                } else {
                    look_at(at_ns);
                }
                continue;
            }
            held = Some(held.map_or(limit, |held| held.min(limit)));
            if entry.left() > 0 {
                // Not started, or between two items.
                look_at(now_ns.saturating_add(limit_ns.max(MIN_CHECK_NS)));
            }
        }
        if let Some((place, item, limit)) = overdue
            && !self.doom(place, item, Doom::TimedOut(limit))
        {
            // It finished this very moment: its result is on the way. There may be other items.
            look_at(now_ns.saturating_add(clock::to_ns(limit).max(MIN_CHECK_NS)));
        }
        if waits && !self.one_shot {
            held = held.or(Some(MAX_PATIENCE));
            look_at(now_ns.saturating_add(clock::to_ns(LATE_LOOK)));
        }
        let silent = match held {
            Some(limit) if !running && self.is_serving() => {
                let patience = limit.clamp(MIN_PATIENCE, MAX_PATIENCE);
                let answers = self.answers;
                let silence = self.silence.take().filter(|silence| silence.answers == answers);
                let mut silence =
                    silence.unwrap_or_else(|| Silence::new(answers, now_ns, patience));
                let lasted = silence.look(now_ns, patience);
                look_at(silence.next_ns);
                self.silence = Some(silence);
                lasted
            }
            _ => {
                self.silence = None;
                false
            }
        };
        Findings { next_ns: next, silent }
    }

    /// Gives a silent worker up: takes back what it has not started, the last sent first, and
    /// kills it.
    ///
    /// If it wakes up in this very moment and claims a call, it lives, and keeps that call.
    pub(super) fn give_up(&mut self, index: usize) -> Vec<Call> {
        self.silence = None;
        // Also from one that cannot even be killed, because it sleeps in the kernel.
        let calls = if self.one_shot { Vec::new() } else { self.revoke_all(index) };
        if self.running() == 0
            && let Some(process) = &mut self.process
        {
            process.calls = None;
            process.kill();
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time between two looks.
    const STEP_NS: u64 = 250_000_000;

    #[test]
    fn silence_lasts_when_several_looks_have_found_it() {
        let mut silence = Silence::new(0, 0, MIN_PATIENCE);
        for look in 1..LOOKS {
            assert!(!silence.look(u64::from(look) * STEP_NS, MIN_PATIENCE));
            assert!(!silence.look(u64::from(look) * STEP_NS + 1, MIN_PATIENCE), "too early");
        }
        assert!(silence.look(u64::from(LOOKS) * STEP_NS, MIN_PATIENCE));
    }

    #[test]
    fn a_long_time_without_looks_is_one_look() {
        let mut silence = Silence::new(0, 0, MIN_PATIENCE);
        let later_ns = 1_000 * STEP_NS;
        assert!(!silence.look(later_ns, MIN_PATIENCE), "the parent was stopped as well");
        assert!(!silence.look(later_ns + STEP_NS - 1, MIN_PATIENCE));
        assert_eq!(silence.looks, 1);
    }
}
