//! The supervisor: one thread that starts, watches, buries and replaces workers.
//!
//! A worker's life, as the fields of its [`Process`](super::process::Process) show it:
//!
//! | state | `ready` | `calls` | `ended` | left by |
//! |---|---|---|---|---|
//! | starting | no | none | none | `Ready` on the control socket; death; `deadline_ns` |
//! | serving | yes | some | none | dismissal; death |
//! | leaving (dismissed or given up) | yes | none | none | death; `deadline_ns` |
//! | dead | any | none | some | burial, once `drained` |
//!
//! The first step is in [`super::admit`], the last two are in [`super::burial`].

use std::sync::Arc;
use std::time::Duration;

use crate::clock;

use super::alarm::{Topic, meaning};
use super::process::Process;
use super::seat::Seat;
use super::stderr;
use super::{Closing, Core, Settled, State};

/// The body of the supervisor's thread.
pub(super) fn run(core: &Arc<Core>) {
    let mut deadline_ns = None;
    loop {
        for event in core.alarm.wait(deadline_ns) {
            match meaning(&event) {
                (Topic::Bell, ..) => core.alarm.hush(),
                (Topic::Death, seat, generation) => core.note_death(seat, generation),
                (Topic::Control, seat, generation) => core.note_control(seat, generation),
                (Topic::Stderr, seat, generation) => core.note_stderr(seat, generation),
            }
        }
        let due = core.tend();
        if due.ended {
            core.inbox.ring();
            return;
        }
        deadline_ns = due.next_ns;
        for index in due.starts {
            if let Err(error) = core.occupy_if_due(index) {
                core.start_failed(index, &error);
                deadline_ns = Some(clock::now_ns());
            }
        }
    }
}

/// What [`Core::tend`] found.
#[derive(Debug, Default)]
struct Due {
    /// The last worker of a closing core is gone.
    ended: bool,
    /// Seats that get a worker now.
    starts: Vec<usize>,
    /// When something is due next.
    next_ns: Option<u64>,
}

impl Due {
    /// Something is due at this time.
    fn at(&mut self, at_ns: u64) {
        self.next_ns = Some(self.next_ns.map_or(at_ns, |next| next.min(at_ns)));
    }
}

impl Core {
    /// A worker wrote something to its standard error.
    fn note_stderr(&self, index: usize, generation: u32) {
        let mut state = self.lock();
        let process = state.process_of(index, generation);
        let Some(tail) = process.and_then(|process| process.tail.as_mut()) else { return };
        let mut written = Vec::new();
        if !tail.read(&mut written) {
            self.alarm.unwatch(tail);
        }
        drop(state);
        stderr::pass_on(&written);
    }

    /// Looks after everything that is due.
    fn tend(&self) -> Due {
        let mut due = Due::default();
        let mut settled = Settled::new();
        let now_ns = clock::now_ns();
        let mut state = self.lock();
        state.next_check_ns = u64::MAX;
        for index in 0..state.seats.len() {
            let limit = self.config.init_timeout;
            match state.seats[index].look_after(index, now_ns, limit, &mut due) {
                Fate::Lives => {}
                Fate::Buried => state.bury(index, now_ns, &mut settled),
                Fate::GivenUp => {
                    // Newest first, so pushing to the front restores their order.
                    for call in state.seats[index].give_up(index) {
                        state.requeue(call);
                    }
                }
            }
        }
        if let Some(next_ns) = state.look_at_trays(now_ns, &mut settled) {
            due.at(next_ns);
        }
        if self.alarm.takes_farewell() {
            state.take_farewell();
        }
        state.fail_if_broken(&mut settled);
        state.keep_trying(now_ns);
        self.nourish_all(&mut state, &mut settled);
        self.wake_sleepers(&mut state);
        if let Some(next_ns) = self.look_after_resources(&mut state, now_ns) {
            due.at(next_ns);
        }
        state.close_step(self.config.grace, now_ns, &mut due);
        for (index, seat) in state.seats.iter().enumerate() {
            match seat.start_at_ns {
                Some(at_ns) if at_ns <= now_ns => due.starts.push(index),
                Some(at_ns) => due.at(at_ns),
                None => {}
            }
        }
        self.release_spare(&state);
        due.at(state.next_check_ns);
        state.next_check_ns = due.next_ns.unwrap_or(u64::MAX);
        due.next_ns = due.next_ns.filter(|&next| next != u64::MAX);
        if due.ended {
            state.ended = true;
            self.ended.notify_all();
        }
        self.deliver(state, settled);
        due
    }
}

impl State {
    /// Tells all workers which memory nobody here uses any more.
    fn take_farewell(&mut self) {
        let processes = self.seats.iter_mut().filter_map(|seat| seat.process.as_mut());
        for process in processes.filter(|process| process.ready) {
            // Where the socket is full, with what is sent next.
            let (Ok(()) | Err(_)) = process.forget_dead();
        }
    }

    /// One step of closing: dismiss who has nothing to do, kill who is late, notice the end.
    fn close_step(&mut self, grace: Duration, now_ns: u64, due: &mut Due) {
        let drained = self.is_drained();
        if self.breaker.refusal().is_some() {
            self.seats.iter_mut().for_each(|seat| seat.start_at_ns = None);
        }
        let Some(closing) = self.closing else { return };
        if let Closing::Now { kill_at_ns } = closing {
            if kill_at_ns <= now_ns {
                self.seats.iter().filter_map(|seat| seat.process.as_ref()).for_each(Process::kill);
            } else {
                due.at(kill_at_ns);
            }
        }
        if drained {
            for seat in &mut self.seats {
                seat.start_at_ns = None;
                if let Some(deadline_ns) = seat.dismiss(grace) {
                    due.at(deadline_ns);
                }
            }
        }
        let is_empty =
            |seat: &Seat| seat.process.is_none() && !seat.launching && seat.start_at_ns.is_none();
        let empty = self.seats.iter().all(is_empty);
        due.ended = drained && empty;
    }
}

/// What is to become of a worker.
#[derive(Debug)]
enum Fate {
    /// It goes on.
    Lives,
    /// It is dead, and everything it said has been heard.
    Buried,
    /// It has fallen silent.
    GivenUp,
}

impl Seat {
    /// Keeps the worker's deadlines, and says what is to become of it.
    fn look_after(
        &mut self,
        index: usize,
        now_ns: u64,
        init_timeout: Duration,
        due: &mut Due,
    ) -> Fate {
        let Some(process) = &mut self.process else { return Fate::Lives };
        if process.ended.is_some() {
            // The receiver rings when it has emptied the ring.
            return if process.drained { Fate::Buried } else { Fate::Lives };
        }
        if let Some(deadline_ns) = process.deadline_ns {
            if deadline_ns <= now_ns {
                if !process.ready {
                    process.refusal.get_or_insert(format!(
                        "a worker was not ready within {init_timeout:?} and was killed: its \
                         initializer takes longer, or its `main` does not come to `init`"
                    ));
                }
                process.kill();
                process.deadline_ns = None;
            } else {
                due.at(deadline_ns);
            }
        }
        let findings = self.enforce_limits(index, now_ns);
        if let Some(next_ns) = findings.next_ns {
            due.at(next_ns);
        }
        if findings.silent { Fate::GivenUp } else { Fate::Lives }
    }

    /// Tells the worker to leave and returns when it will be killed otherwise. One that has not
    /// even started is killed at once.
    pub(super) fn dismiss(&mut self, grace: Duration) -> Option<u64> {
        let process = self.process.as_mut()?;
        if !process.ready {
            process.kill();
        }
        // The end of the calls' channel is the sign to leave.
        process.calls.take()?;
        process.deadline_ns = Some(clock::after_ns(grace));
        process.deadline_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_ends_after_the_last_start() {
        let mut state = State { closing: Some(Closing::Drain), ..State::default() };
        state.seats.push(Seat::new(false));
        let mut ends = |launching| {
            state.seats[0].launching = launching;
            let mut due = Due::default();
            state.close_step(Duration::ZERO, 0, &mut due);
            due.ended
        };
        assert!(!ends(true), "nobody would look after this worker");
        assert!(ends(false));
    }
}
