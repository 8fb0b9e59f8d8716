//! Workers that are replaced, sent home or added although nothing is wrong with them.
//!
//! What a seat is for is its *post*:
//!
//! | post | worker | next | by |
//! |---|---|---|---|
//! | `Open` | one, or one is to come | `Asleep`, `Retiring` | idle time-out; its successor, or fewer workers asked for |
//! | `Asleep` | none, or it is leaving | `Open`, `Vacant` | a call that nobody is free for; fewer workers asked for |
//! | `Retiring` | one, with its last call | `Vacant` | its end |
//! | `Vacant` | none | `Open` | more workers asked for, or a successor |
//!
//! A worker that has executed enough calls, uses too much memory, or has no descriptor left
//! ([`super::scarce`]) gets a *successor* in another seat first. Only when that is ready the old one retires: what it has not started goes back to
//! the queue, and it leaves after the call that it executes. So no call is lost, none runs twice,
//! and there are never fewer workers than asked for.

use std::io;

use crate::clock;

use super::seat::Seat;
use super::{Core, State};

/// How often at most the memory of a worker is looked at.
const LOOK_NS: u64 = 20_000_000;

/// What a seat is for; see the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    /// For a worker.
    Open,
    /// For a worker that comes when there is work.
    Asleep,
    /// For a worker that leaves.
    Retiring,
    /// For nobody.
    Vacant,
}

impl Core {
    /// After calls were sent: a worker that may get no more gets a successor.
    pub(super) fn succeed_exhausted(&self, state: &mut State, index: usize) {
        if state.seats[index].is_exhausted() {
            self.begin_succession(state, index);
        }
    }

    /// Starts the worker that is to take over from the one in the seat `index`.
    pub(super) fn begin_succession(&self, state: &mut State, index: usize) {
        let seat = &state.seats[index];
        // A pool that is closing needs it only for what still waits.
        let over = state.closing.is_some() && state.queue.is_empty();
        if seat.successor.is_some() || seat.post != Post::Open || over {
            return;
        }
        let new = state.vacant_seat();
        state.seats[new].replaces = Some(index);
        state.seats[new].start_at_ns = Some(clock::now_ns());
        state.seats[index].successor = Some(new);
        state.counters.recycled += 1;
        self.alarm.ring();
    }

    /// A worker has just become ready: if it is a successor, the old one goes.
    pub(super) fn take_over(&self, state: &mut State, index: usize) {
        if let Some(old) = state.seats[index].replaces.take() {
            state.seats[old].successor = None;
            self.retire(state, old);
        }
    }

    /// Lets a worker go after the call that it executes.
    pub(super) fn retire(&self, state: &mut State, index: usize) {
        let seat = &mut state.seats[index];
        if let Some(successor) = seat.successor.take() {
            // It is not needed any more either.
            state.seats[successor].replaces = None;
            self.retire(state, successor);
        }
        let seat = &mut state.seats[index];
        seat.post = Post::Retiring;
        seat.start_at_ns = None;
        // Newest first, so pushing to the front restores their order.
        for call in seat.revoke_all(index) {
            state.requeue(call);
        }
        let seat = &mut state.seats[index];
        if seat.process.is_none() {
            state.vacate(index);
        } else if seat.process.as_ref().is_some_and(|process| !process.ready) {
            seat.dismiss(self.config.grace);
        }
        self.part_from_retired(state, index);
        self.alarm.ring();
    }

    /// After answers: a retired worker that has nothing more to do leaves, and one that is idle is
    /// looked at again in time.
    pub(super) fn after_answers(&self, state: &mut State, index: usize) {
        self.part_from_retired(state, index);
        if state.seats[index].post != Post::Open {
            return;
        }
        self.succeed_exhausted(state, index);
        if self.config.max_rss.is_some() {
            self.check_at(state, clock::now_ns().saturating_add(LOOK_NS));
        }
        self.note_idle(state, index);
    }

    /// Sends a retired worker home if it has nothing more to do.
    fn part_from_retired(&self, state: &mut State, index: usize) {
        let seat = &mut state.seats[index];
        if seat.post == Post::Retiring
            && seat.load() == 0
            && seat.dismiss(self.config.grace).is_some()
        {
            self.alarm.ring();
        }
    }

    /// Notes since when a worker has nothing to do.
    pub(super) fn note_idle(&self, state: &mut State, index: usize) {
        let Some(limit) = self.config.idle_timeout else { return };
        let seat = &mut state.seats[index];
        if seat.load() == 0 && seat.is_serving() {
            seat.idle_since_ns.get_or_insert_with(clock::now_ns);
            self.check_at(state, clock::after_ns(limit));
        } else {
            seat.idle_since_ns = None;
        }
    }

    /// Looks after workers that use too much memory or have nothing to do. Returns when to look
    /// again.
    pub(super) fn look_after_resources(&self, state: &mut State, now_ns: u64) -> Option<u64> {
        let mut next: Option<u64> = None;
        for index in 0..state.seats.len() {
            let seat = &mut state.seats[index];
            if seat.post != Post::Open || !seat.is_serving() || seat.one_shot {
                continue;
            }
            if let Some(limit) = self.config.max_rss
                && seat.answers != seat.weighed_at
                && seat.successor.is_none()
            {
                seat.weighed_at = seat.answers;
                if seat.pid().and_then(rss_bytes).is_some_and(|bytes| bytes > limit) {
                    self.begin_succession(state, index);
                }
            }
            let seat = &mut state.seats[index];
            let (Some(limit), Some(since_ns)) = (self.config.idle_timeout, seat.idle_since_ns)
            else {
                continue;
            };
            let at_ns = since_ns.saturating_add(clock::to_ns(limit));
            if seat.load() > 0 || seat.successor.is_some() || state.closing.is_some() {
                seat.idle_since_ns = None;
            } else if at_ns <= now_ns {
                seat.idle_since_ns = None;
                seat.post = Post::Asleep;
                seat.dismiss(self.config.grace);
                self.alarm.ring();
            } else {
                next = Some(next.map_or(at_ns, |next: u64| next.min(at_ns)));
            }
        }
        next
    }

    /// After calls came into the queue, or back: as long as there are more calls than workers, those
    /// that sleep are woken.
    pub(super) fn wake_sleepers(&self, state: &mut State) {
        if self.config.idle_timeout.is_none() || state.queue.is_empty() {
            return;
        }
        let open = |seat: &&Seat| seat.post == Post::Open && seat.replaces.is_none();
        let mut awake = state.seats.iter().filter(open).count();
        let calls = state.queue.len() + state.seats.iter().map(Seat::load).sum::<usize>();
        for index in 0..state.seats.len() {
            if calls <= awake {
                return;
            }
            let seat = &mut state.seats[index];
            if seat.post != Post::Asleep {
                continue;
            }
            awake += 1;
            seat.post = Post::Open;
            seat.failures = 0;
            match &mut seat.process {
                // Its burial brings the next one.
                Some(process) => process.useful = true,
                None => seat.start_at_ns = Some(clock::now_ns()),
            }
            self.alarm.ring();
        }
    }

    /// How many workers the pool is to have.
    pub(crate) fn workers(&self) -> usize {
        self.lock().members().count()
    }

    /// Changes the number of workers.
    ///
    /// # Errors
    /// Workers cannot be started, also because the core is closing; those that could be stay.
    pub(crate) fn resize(&self, workers: usize) -> io::Result<()> {
        let mut state = self.lock();
        let members: Vec<_> = state.members().collect();
        if members.len() <= workers {
            let missing = workers - members.len();
            drop(state);
            return self.open_seats(missing);
        }
        let mut leaving = members;
        // Who has the least to do goes first, and who is not even here before.
        leaving.sort_by_key(|&index| (state.seats[index].is_serving(), state.seats[index].load()));
        let excess = leaving.len() - workers;
        for index in leaving.into_iter().take(excess) {
            self.retire(&mut state, index);
        }
        let mut settled = super::Settled::new();
        self.nourish_all(&mut state, &mut settled);
        self.wake_sleepers(&mut state);
        self.deliver(state, settled);
        Ok(())
    }
}

impl State {
    /// The seats that count as workers.
    fn members(&self) -> impl Iterator<Item = usize> {
        let counts = |seat: &Seat| {
            matches!(seat.post, Post::Open | Post::Asleep)
                && seat.replaces.is_none()
                && !seat.one_shot
        };
        (0..self.seats.len()).filter(move |&index| counts(&self.seats[index]))
    }

    /// A seat for one more worker.
    pub(super) fn vacant_seat(&mut self) -> usize {
        let index = self.spare_seats.pop().unwrap_or_else(|| {
            self.seats.push(Seat::new(false));
            self.seats.len() - 1
        });
        self.seats[index].post = Post::Open;
        self.seats[index].failures = 0;
        index
    }

    /// A seat is for nobody any more. While a worker is being started for it, it is not for others
    /// either: whoever starts that worker vacates the seat again.
    pub(super) fn vacate(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.post = Post::Vacant;
        seat.start_at_ns = None;
        seat.idle_since_ns = None;
        if !seat.launching {
            self.spare_seats.push(index);
        }
    }

    /// The worker in a seat is dead and buried: says whether another one comes into the same seat.
    pub(super) fn is_reoccupied(&mut self, index: usize) -> bool {
        let seat = &mut self.seats[index];
        match seat.post {
            Post::Retiring => {
                self.vacate(index);
                false
            }
            Post::Asleep | Post::Vacant => false,
            Post::Open => {
                let successor = seat.successor.take();
                if let Some(successor) = successor {
                    self.seats[successor].replaces = None;
                    self.vacate(index);
                }
                successor.is_none()
            }
        }
    }
}

impl Seat {
    /// True when the worker may get no more calls.
    fn is_exhausted(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.calls_left == Some(0))
    }

    /// True when the worker takes calls from the queue.
    pub(super) fn is_open(&self) -> bool {
        self.is_serving() && !self.one_shot && self.post == Post::Open
    }
}

/// The memory of a process that is resident now, without what it shares with others: payloads that it
/// has read in the pool's memory do not leak.
fn rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    kib("VmRSS:")?.saturating_sub(kib("RssShmem:").unwrap_or(0)).checked_mul(1024)
}
