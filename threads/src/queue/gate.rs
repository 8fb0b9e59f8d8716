//! Where one side of a queue waits: the getters for a value, or the putters for a place.
//!
//! A thread that finds nothing gets in line, **tries again**, and parks. Whoever puts a value
//! (frees a place) looks at `wanted` afterwards, which is all it does unless somebody waits.
//!
//! Only one thread of the line is on its way at a time (`coming`): values that come in quick
//! succession do not wake a crowd of which the first one takes all, and a thread that
//! exchanges values at full speed pays for one wake-up while the woken thread is under way,
//! not for one with each value.
//!
//! # Why no wake-up is lost
//!
//! `wanted` changes under the mutex, with what it says:
//!
//! | `wanted` | in line | coming | a put |
//! |---|---|---|---|
//! | [`NOBODY`] | nobody | one or none | goes on |
//! | [`WANTED`] | threads | none (or one more than is known) | sends the first |
//! | [`LATER`] | threads | one | goes on, and every so often sends one more |
//!
//! Say *value* for what the line waits for.
//!
//! 1. A thread gets in line, setting `wanted`, before it tries the last time. Of a put and
//!    this attempt, either the put is earlier, and the attempt finds the value; or the attempt
//!    is earlier, and the put finds `wanted` set (or somebody coming).
//! 2. Puts that send nobody because somebody is coming leave their value to that
//!    thread. Between being told and arriving, a thread does nothing else: a worker steps aside out
//!    of the line. When it arrives it first ends `coming`, which makes the others in line
//!    `WANTED` again, and then takes what it finds. After that it looks whether **more** values are
//!    there, and sends the next one if so. Each put is either before that look, which sees its
//!    value, or sees `wanted` itself.
//! 3. A thread whose time is over leaves the line. If it was told in the last moment, it
//!    behaves like one that was woken: otherwise the **word** would end with it.
//!
//! All other steps only take values away, or threads out of the line.
//!
//! A thread that was told may be kept from running, by others of higher priority for example. So
//! that the rest of the line does not wait with it, every [`SKIPS`] puts that find one coming send
//! one more. Fewer puts than that, and then no more, leave the rest to wait for the one who was told.
//!
//! `tests/loom` checks this,
//! and that it fails without each of the words in bold.

use super::primitives::{
    AtomicU8, AtomicU32, Deadline, Mutex, Patience, SKIPS, dekker, has_failed,
};
use super::waiter::{Line, Waiter};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Nobody is in line.
const NOBODY: u8 = 0;
/// Threads are in line, and none is coming.
const WANTED: u8 = 1;
/// Threads are in line, and one is coming.
const LATER: u8 = 2;

/// The line of one side, and who of it is on the way.
#[derive(Default)]
pub(super) struct Gate {
    /// See the table of the module.
    wanted: AtomicU8,
    /// How often nobody was sent, because one is coming, since the last time that one was. Lossy.
    skips: AtomicU32,
    /// The line itself.
    waiting: Mutex<Waiting>,
}

/// What the mutex protects.
#[derive(Default)]
struct Waiting {
    /// Threads that wait and were not told.
    line: Line,
    /// Whether a thread was told to try and has not arrived.
    coming: bool,
}

impl Gate {
    /// To be called after each step that is good for one thread of the line.
    #[inline]
    pub(super) fn notify(&self) {
        match self.wanted.load(SeqCst) {
            NOBODY => {}
            WANTED => self.send(false),
            _ => self.skip(),
        }
    }

    /// Somebody is coming already.
    #[cold]
    fn skip(&self) {
        let skips = self.skips.load(Relaxed) + 1;
        self.skips.store(skips, Relaxed);
        if skips >= SKIPS {
            self.send(true);
        }
    }

    /// Sends the first thread of the line, unless one is coming and that is `enough`.
    #[cold]
    fn send(&self, one_more: bool) {
        let first = {
            let mut waiting = self.waiting.lock();
            let is_enough = waiting.coming && !one_more;
            let first = if is_enough { None } else { waiting.line.tell_first() };
            waiting.coming |= first.is_some();
            self.skips.store(0, Relaxed);
            self.want(&waiting);
            first
        };
        if let Some(first) = first {
            first.wake();
        }
    }

    /// Sends everybody: the queue has been shut down.
    pub(super) fn open(&self) {
        let all = {
            let mut waiting = self.waiting.lock();
            let all = waiting.line.tell_all();
            self.want(&waiting);
            all
        };
        for waiter in all {
            waiter.wake();
        }
    }

    /// Waits until `attempt` gives something, or `deadline`. `more` says whether there is
    /// something for another thread of the line.
    pub(super) fn wait<R>(
        &self,
        deadline: Deadline,
        mut attempt: impl FnMut() -> Option<R>,
        more: impl Fn() -> bool,
    ) -> Option<R> {
        let waiter = Waiter::mine();
        // Comes before `stay`: a worker takes its seat again when it has left the line.
        let mut patience = Patience::new(deadline);
        let mut stay = Stay { gate: self, waiter: &waiter, more, in_line: false, word: false };
        loop {
            stay.enter();
            if let Some(found) = attempt() {
                return Some(found);
            }
            if !waiter.wait(patience.next()) {
                patience.time_is_over();
            }
            stay.leave();
            if let Some(found) = attempt() {
                return Some(found);
            }
            if patience.is_over() || deadline.is_over() {
                return None;
            }
            if patience.is_due() {
                patience.step_aside(); // Out of the line: it may run a part of a broadcast.
            }
        }
    }

    /// Sets `wanted` to what it says.
    fn want(&self, waiting: &Waiting) {
        let wanted = match (waiting.line.is_empty(), waiting.coming) {
            (true, _) => NOBODY,
            (false, false) => WANTED,
            (false, true) => LATER,
        };
        self.wanted.store(wanted, SeqCst);
        dekker();
    }
}

/// A thread's stay at a gate. Ends also by a panic of its attempt, in the comparison of a
/// priority queue: what is left is for others.
struct Stay<'a, M: Fn() -> bool> {
    /// The gate.
    gate: &'a Gate,
    /// The thread.
    waiter: &'a Arc<Waiter>,
    /// Whether there is something for another thread.
    more: M,
    /// Whether it got in line and has not left, or found out that it was told.
    in_line: bool,
    /// Whether it was told when it left: then it is the one to send the next.
    word: bool,
}

impl<M: Fn() -> bool> Stay<'_, M> {
    /// Gets in line: at its end, or where it was if it was told and found nothing.
    fn enter(&mut self) {
        self.waiter.forget_told();
        let mut waiting = self.gate.waiting.lock();
        if self.word {
            waiting.line.push_first(Arc::clone(self.waiter));
        } else {
            waiting.line.push(Arc::clone(self.waiter));
        }
        self.gate.want(&waiting);
        drop(waiting);
        (self.in_line, self.word) = (true, false);
    }

    /// Leaves the line, or arrives.
    fn leave(&mut self) {
        let mut waiting = self.gate.waiting.lock();
        self.word = !waiting.line.remove(self.waiter);
        if self.word {
            waiting.coming = false;
        }
        self.gate.want(&waiting);
        drop(waiting);
        self.in_line = false;
    }
}

impl<M: Fn() -> bool> Drop for Stay<'_, M> {
    fn drop(&mut self) {
        if has_failed() {
            return;
        }
        if self.in_line {
            self.leave();
        }
        if self.word && (self.more)() {
            self.gate.notify();
        }
    }
}
