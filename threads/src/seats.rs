//! How many workers execute jobs at the same time: resizing, and workers that
//! step aside while they wait.
//!
//! A *seat* is the right to execute jobs. A pool has as many seats as it was asked
//! for workers; a worker holds one, or does nothing.
//!
//! | a worker is | holds a seat | left by | to |
//! |---|---|---|---|
//! | seated | yes | itself, between two jobs, when there are more seated than seats | benched |
//! | | itself, before it blocks in a job | aside |
//! | aside | no | itself, when it need not block any more | seated |
//! | benched | no | whoever calls it to a free seat | seated |
//! | | itself, after [`KEEP_ALIVE`], or when the pool ends | its thread ends |
//!
//! When a worker steps aside, or seats are added, the free seats are filled: by
//! benched workers first, else by new threads. A worker that comes back takes a
//! seat at once, as its job is in the middle of something, so for a while there may
//! be more seated than seats; the next worker that has finished a job, or sleeps,
//! goes to the bench. So the number of seated workers is never below the number
//! of seats, unless there are as many threads as the pool may have, or the system
//! gives no more.
//!
//! All of this is under one mutex, as it happens seldom. Workers look at
//! [`Seats::has_surplus`], one load, between two jobs. Making it true is a change
//! that concerns sleepers, see `src/sleep.rs`: it is made before sleepers are woken, and they
//! look at it before they park.
//!
//! A worker that goes to the bench may leave jobs in its deque. Others steal them
//! from there, as from any other worker's. This needs others that will still look, so
//! nobody goes to the bench any more when the pool ends: a worker that ends may have
//! looked while the jobs were on their way to that deque. The bench is closed before
//! the phase changes ([`Shared::enter`]), so who sees the new phase also sees all that
//! was left there.
//!
//! While a pool ends, empty seats are filled again if there is something to do: see
//! `src/seats/ending.rs`.

mod ending;

use crate::deadline::Deadline;
use crate::primitives::{
    AtomicIsize, Condvar, JoinHandle, Mutex, MutexGuard, fence, has_ended, lock, wait,
};
use crate::shared::Shared;
use crate::worker::{self, Deques};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::time::Duration;

/// How long a worker stays on the bench: longer than it takes to start a thread by
/// orders of magnitude, and short enough for nobody to notice that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Who holds a seat, and who could.
pub(crate) struct Seats {
    /// The counts.
    roster: Mutex<Roster>,
    /// Seated workers minus seats, zero when `closed`; written under the lock of
    /// `roster`.
    surplus: AtomicIsize,
    /// Seats that nobody holds when `closed`, else zero; written under the lock of
    /// `roster`.
    empty: AtomicIsize,
    /// Where benched workers wait.
    bench: Condvar,
    /// The most threads that may be aside or benched.
    spares: usize,
}

/// What the mutex of [`Seats`] protects.
struct Roster {
    /// How many workers are to execute jobs.
    seats: usize,
    /// How many do.
    seated: usize,
    /// How many block in a job and have given up their seat.
    aside: usize,
    /// How many are on the bench, with those that were called from there and
    /// have not noticed yet.
    benched: usize,
    /// Those of the benched that can be called, by worker number: the others are about to
    /// be.
    bench: Vec<usize>,
    /// Those of the benched that were called, and hold a seat already, by worker number.
    called: Vec<usize>,
    /// How many have left the bench, and their threads are about to end.
    leaving: usize,
    /// A worker that was started for forked work of a pool that ends, and has not looked yet.
    coming: Option<usize>,
    /// No more going to the bench, nor waiting there.
    closed: bool,
    /// Worker numbers whose threads have ended, each with its deques.
    free: Vec<(usize, Deques)>,
    /// Worker numbers that were ever used.
    opened: usize,
    /// The threads, by worker number.
    threads: BTreeMap<usize, JoinHandle<()>>,
    /// Threads whose worker number has been given to another thread since: they
    /// are about to end.
    ending: Vec<JoinHandle<()>>,
}

impl Seats {
    /// No seats; [`Seats::resize`] adds some. Beside as many workers as there are
    /// seats, there may be this many `spares`.
    pub(crate) fn new(spares: usize) -> Self {
        let roster = Roster {
            seats: 0,
            seated: 0,
            aside: 0,
            benched: 0,
            bench: Vec::new(),
            called: Vec::new(),
            leaving: 0,
            coming: None,
            closed: false,
            free: Vec::new(),
            opened: 0,
            threads: BTreeMap::new(),
            ending: Vec::new(),
        };
        let (roster, bench) = (Mutex::new(roster), Condvar::new());
        let (surplus, empty) = (AtomicIsize::new(0), AtomicIsize::new(0));
        Self { roster, surplus, empty, bench, spares }
    }

    /// How many workers are to execute jobs.
    pub(crate) fn count(&self) -> usize {
        lock(&self.roster).seats
    }

    /// How many workers have stepped aside.
    pub(crate) fn aside(&self) -> usize {
        lock(&self.roster).aside
    }

    /// Whether anybody executes jobs.
    pub(crate) fn any_seated(&self) -> bool {
        lock(&self.roster).seated > 0
    }

    /// Whether a seated worker should go to the bench. May be out of date:
    /// [`Seats::retire`] looks again.
    pub(crate) fn has_surplus(&self) -> bool {
        self.surplus.load(Relaxed) > 0
    }

    /// Sets the number of seats. Starts workers at once, or has some retire when
    /// they have finished their job.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started. There are as many seats as there are
    /// workers then, or as before if those were more.
    pub(crate) fn resize(&self, shared: &Arc<Shared>, seats: usize) -> io::Result<()> {
        let mut roster = lock(&self.roster);
        let before = roster.seats;
        roster.seats = seats;
        let filled = self.fill(shared, &mut roster);
        if filled.is_err() {
            roster.seats = roster.seated.max(before).min(seats);
        }
        self.changed(&roster);
        drop(roster);
        if self.has_surplus() {
            shared.sleep.wake_all();
        }
        filled
    }

    /// The calling worker is about to block in a job: it gives up its seat, and
    /// another worker takes it. False if that leaves no seated worker at all.
    pub(crate) fn step_aside(&self, shared: &Arc<Shared>) -> bool {
        let mut roster = lock(&self.roster);
        roster.seated -= 1;
        roster.aside += 1;
        // Without a new thread the pool goes on with one worker less.
        self.fill(shared, &mut roster).unwrap_or_default();
        self.changed(&roster);
        let seated = roster.seated;
        drop(roster);
        shared.seats_left(seated);
        seated > 0
    }

    /// Whether a worker that steps aside now would leave others seated.
    pub(crate) fn could_step_aside(&self) -> bool {
        let roster = lock(&self.roster);
        roster.seated > 1 || !roster.bench.is_empty() || self.may_start(&roster, 1)
    }

    /// The calling worker need not block any more.
    pub(crate) fn come_back(&self, shared: &Arc<Shared>) {
        let mut roster = lock(&self.roster);
        roster.aside -= 1;
        roster.seated += 1;
        self.changed(&roster);
        drop(roster);
        if self.has_surplus() {
            shared.sleep.wake_one(); // If somebody sleeps, it is that one who goes.
        }
    }

    /// Between two jobs of the calling worker: goes to the bench if there are too many
    /// seated. True when it holds a seat, false when its thread is to end. `run_mail` is
    /// called if it goes: what is for it only, it runs before, one by one, and with its seat, as it may have to
    /// step aside for that. False: there was nothing, and no more will come.
    pub(crate) fn retire(
        &self,
        shared: &Arc<Shared>,
        worker: usize,
        run_mail: impl Fn(&dyn Fn()) -> bool,
    ) -> bool {
        loop {
            let mut roster = lock(&self.roster);
            if roster.closed || roster.seated <= roster.seats {
                return true;
            }
            roster.seated -= 1;
            roster.benched += 1;
            self.changed(&roster);
            drop(roster);
            // Only now, so that there is an open mailbox all the time.
            let has_run = run_mail(&|| {
                let mut roster = lock(&self.roster);
                roster.seated += 1;
                roster.benched -= 1;
                self.changed(&roster);
            });
            if !has_run {
                break;
            }
        }
        // The jobs in its deque are for others now, who might all be asleep.
        if shared.has_jobs() {
            shared.sleep.publish();
        }
        let end = Deadline::after(KEEP_ALIVE);
        let mut over = false;
        let mut roster = lock(&self.roster);
        roster.bench.push(worker);
        // A seat may have become free before it could be called.
        self.fill(shared, &mut roster).unwrap_or_default();
        self.changed(&roster);
        loop {
            if let Some(place) = roster.called.iter().position(|called| *called == worker) {
                roster.called.swap_remove(place);
                roster.benched -= 1;
                return true;
            }
            if over || roster.closed {
                roster.bench.retain(|benched| *benched != worker);
                roster.benched -= 1;
                roster.leaving += 1;
                return false;
            }
            (roster, over) = wait(&self.bench, &self.roster, roster, end);
        }
    }

    /// The last act of a worker's thread: its number may be used again, and a seat may
    /// have waited for that.
    pub(crate) fn leave(&self, shared: &Arc<Shared>, worker: usize, deques: Deques, seated: bool) {
        let mut roster = lock(&self.roster);
        let count = if seated { &mut roster.seated } else { &mut roster.leaving };
        *count -= 1;
        roster.free.push((worker, deques));
        if !seated {
            // Without a new thread the pool goes on with one worker less.
            self.fill(shared, &mut roster).unwrap_or_default();
        }
        self.changed(&roster);
        let left = roster.seated;
        drop(roster);
        shared.seats_left(left);
        fence(SeqCst);
        if seated && shared.has_jobs() {
            self.fill_one(shared);
        }
    }

    /// Has benched workers end, and nobody go to the bench any more: the pool ends.
    pub(crate) fn close(&self) {
        let mut roster = lock(&self.roster);
        roster.closed = true;
        self.changed(&roster);
        drop(roster);
        self.bench.notify_all();
    }

    /// The threads that have not been joined. Workers that are still running may
    /// start more.
    pub(crate) fn take_threads(&self) -> Vec<JoinHandle<()>> {
        let mut roster = lock(&self.roster);
        let mut threads = std::mem::take(&mut roster.ending);
        threads.extend(std::mem::take(&mut roster.threads).into_values());
        threads
    }

    /// Seats as many workers as there are seats.
    fn fill(&self, shared: &Arc<Shared>, roster: &mut MutexGuard<'_, Roster>) -> io::Result<()> {
        while roster.seated < roster.seats && shared.may_start_workers() {
            if let Some(worker) = roster.bench.pop() {
                roster.called.push(worker);
                roster.seated += 1;
                shared.open_mail(worker); // With the seat, not when its thread wakes up.
                self.bench.notify_all();
            } else if self.may_start(roster, 0) {
                Self::start(shared, roster)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether another thread may be started, if `more` workers step aside.
    /// A worker number is taken from the start to the end of its thread, so these
    /// never exceed the most seats plus the spares.
    fn may_start(&self, roster: &Roster, more: usize) -> bool {
        roster.aside + (roster.benched - roster.called.len()) + roster.leaving + more <= self.spares
    }

    /// Starts a worker; gives its number.
    fn start(shared: &Arc<Shared>, roster: &mut Roster) -> io::Result<usize> {
        let (index, deques) = roster.free.pop().unwrap_or_else(|| {
            let (index, deques) = (roster.opened, Deques::new());
            shared.open_slot(index, &deques);
            roster.opened += 1;
            (index, deques)
        });
        shared.open_mail(index);
        let thread = match worker::start(shared, index, deques) {
            Ok(thread) => thread,
            Err((error, deques)) => {
                shared.return_mail(index);
                roster.free.push((index, deques));
                let name = &shared.settings.name;
                let text = format!("start thread {name}-{index}: {error}");
                return Err(io::Error::new(error.kind(), text));
            }
        };
        roster.seated += 1;
        roster.ending.retain(|thread| !has_ended(thread));
        if let Some(before) = roster.threads.insert(index, thread) {
            roster.ending.push(before);
        }
        Ok(index)
    }

    /// Makes the counts known to workers.
    fn changed(&self, roster: &Roster) {
        let surplus = roster.seated.cast_signed() - roster.seats.cast_signed();
        self.surplus.store(if roster.closed { 0 } else { surplus }, Release);
        self.empty.store(if roster.closed { -surplus } else { 0 }, Release);
    }
}
