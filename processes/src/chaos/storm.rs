//! A storm: a pool in a process of its own, some hundred calls that do everything, and troubles
//! from outside, all from one seed.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::act::{Act, Answer, MAX_PAYLOAD, Order, perform};
use super::count::{children, descriptors};
use super::judge::{Ends, Terms};
use super::random::Random;
use super::trouble::{self, Troubles};
use super::{BOUND, wait_until};
use crate::{Builder, CallOptions, JoinError, JoinHandle, Pool, SharedAtomics};

/// Calls of a storm.
const CALLS: u64 = 600;

/// Calls that are submitted before they are waited for.
const WAVE: usize = 120;

/// Calls that are under way when the pool is shut down.
const LAST: u64 = 30;

/// How long a worker may take to leave.
const GRACE: Duration = Duration::from_millis(100);

/// The limit of those that have one.
const LIMIT: Duration = Duration::from_millis(60);

/// The limit of all calls of some pools.
const POOL_LIMIT: Duration = Duration::from_millis(250);

/// What a storm was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// How the calls ended.
    pub(super) ends: Ends,
    /// What came over them.
    pub(super) troubles: Troubles,
    /// How often each step was armed.
    pub(super) armed: [u64; 6],
}

impl Report {
    /// Adds another one.
    pub(super) fn add(&mut self, other: &Self) {
        self.ends.returned += other.ends.returned;
        self.ends.lost += other.ends.lost;
        self.ends.otherwise += other.ends.otherwise;
        self.ends.unsent += other.ends.unsent;
        self.ends.without_memory += other.ends.without_memory;
        self.troubles.kills += other.troubles.kills;
        self.troubles.stops += other.troubles.stops;
        self.troubles.hoards += other.troubles.hoards;
        self.troubles.famines += other.troubles.famines;
        self.troubles.resizes += other.troubles.resizes;
        for (sum, more) in self.armed.iter_mut().zip(other.armed) {
            *sum += more;
        }
    }
}

/// A call on its way, and what it has to reckon with.
type Sent = (Terms, JoinHandle<Answer>);

/// The calls of a storm, and what is needed to make and judge them.
struct Sea<'a> {
    /// The pool.
    pool: &'a Pool,
    /// What happens.
    random: Random,
    /// How often each call was executed.
    marks: SharedAtomics<AtomicU32>,
    /// Whether every call has a limit.
    limited: bool,
    /// Whether descriptors and memory run out.
    starved: bool,
    /// The number of the next call.
    next: u64,
    /// What was so far.
    report: Report,
}

/// Sets its flag when it is dropped, also by a panic: a scope waits for its threads.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the storm of a seed, in this process, which has nothing else to do.
///
/// # Errors
/// What was not as it must be.
pub(super) fn run(seed: u64) -> Result<Report, String> {
    trouble::prepare();
    drop(Pool::new(1).map_err(|error| error.to_string())?);
    let before = (descriptors(), children());
    let report = rage(seed)?;
    let mut after = (0, Vec::new());
    // Shared memory goes with its last handle, which a thread that is ending may have.
    wait_until("descriptors and children are as before", || {
        after = (descriptors(), children());
        after == before
    })
    .map_err(|why| format!("{why}: {before:?} became {after:?} (descriptors, children)"))?;
    Ok(report)
}

/// The storm itself.
fn rage(seed: u64) -> Result<Report, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut random = Random::new(seed);
    let marks = SharedAtomics::new(usize::try_from(CALLS + LAST).expect("small")).map_err(text)?;
    let (limited, starved) = (random.percent(30), random.percent(50));
    let (now, trouble_seed) = (random.percent(50), random.next());
    let pool = settings(&mut random, limited).build().map_err(text)?;
    let report = Report::default();
    let mut sea = Sea { pool: &pool, random, marks, limited, starved, next: 0, report };
    let over = AtomicBool::new(false);
    let (calls, troubles) = thread::scope(|scope| {
        let troubles = scope.spawn(|| trouble::make(&pool, trouble_seed, starved, &over));
        let end = Over(&over);
        let calls = sea.all();
        drop(end);
        (calls, troubles.join().expect("trouble makes no trouble itself"))
    });
    sea.report.troubles = troubles;
    if let Err(why) = calls.and_then(|()| sea.compare_books()) {
        // A pool that has lost a call would wait for it.
        std::mem::forget(pool);
        return Err(why);
    }
    let last: Vec<_> = (0..LAST).map(|_| sea.single()).collect();
    let (mut report, marks) = (sea.report, sea.marks);
    if now {
        let unrun = pool.shutdown_now().count();
        let cancelled = judge_last(last, &marks, true, &mut report)?;
        // Some may have been cancelled before.
        if unrun > cancelled {
            return Err(format!("{unrun} calls were not to run, {cancelled} were cancelled"));
        }
    } else {
        pool.shutdown();
        judge_last(last, &marks, false, &mut report)?;
    }
    Ok(report)
}

/// Judges what was under way when the pool was shut down: how many were cancelled.
fn judge_last(
    last: Vec<Sent>,
    marks: &[AtomicU32],
    cancelled: bool,
    report: &mut Report,
) -> Result<usize, String> {
    let mut count = 0;
    for (mut terms, handle) in last {
        terms.cancelled |= cancelled;
        let outcome = handle.join_timeout(Duration::ZERO);
        let outcome = outcome.map_err(|_| format!("{terms:?} outlived its pool"))?;
        count += usize::from(matches!(outcome, Err(JoinError::Cancelled)));
        terms.judge(&outcome, marks, &mut report.ends)?;
    }
    Ok(count)
}

/// A pool with some of the settings that there are.
fn settings(random: &mut Random, limited: bool) -> Builder {
    let mut builder =
        Pool::builder().workers(3).name("storm").max_payload(MAX_PAYLOAD).grace(GRACE);
    if limited {
        builder = builder.call_timeout(POOL_LIMIT);
    }
    if random.percent(30) {
        builder = builder.max_calls_per_worker(1 + random.below(40));
    }
    if random.percent(30) {
        builder = builder.capture_stderr(1_000);
    }
    if random.percent(30) {
        builder = builder.idle_timeout(Duration::from_millis(random.below(10)));
    }
    if random.percent(50) {
        // None, one that is always full, and one that is full now and then.
        builder = builder.arena([0, 256 << 10, 1 << 20][random.index(3)]);
    }
    if random.percent(30) {
        builder = builder.initializer(|_: u8| Ok::<_, String>(()), 0);
    }
    builder
}

impl Sea<'_> {
    /// Makes all calls and judges how they end.
    fn all(&mut self) -> Result<(), String> {
        while self.next < CALLS {
            let mut wave = Vec::new();
            while wave.len() < WAVE && self.next < CALLS {
                match self.random.below(100) {
                    0..3 => self.map()?,
                    3..6 => self.map_unordered()?,
                    _ => wave.push(self.single()),
                }
            }
            for (terms, handle) in wave {
                let outcome = handle.join_timeout(BOUND);
                let outcome = outcome.map_err(|handle| {
                    format!("{terms:?} does not end: {handle:?}, {:?}", self.pool.stats())
                })?;
                terms.judge(&outcome, &self.marks, &mut self.report.ends)?;
            }
        }
        Ok(())
    }

    /// The next order, and what it has to reckon with.
    fn order(&mut self, limited: bool) -> (Terms, Order) {
        let act = Act::choose(&mut self.random, limited, self.starved);
        let index = self.next;
        self.next += 1;
        if let Act::Arm(step, _) = act {
            self.report.armed[step as usize - 1] += 1;
        }
        let (starved, cancelled) = (self.starved, false);
        let terms = Terms { act, index, retries: 0, limited, cancelled, starved };
        (terms, Order::new(act, index, &self.marks))
    }

    /// A call of its own, with what may be asked for it.
    fn single(&mut self) -> Sent {
        let own_limit = self.random.percent(20);
        let (mut terms, order) = self.order(self.limited || own_limit);
        let mut options = CallOptions::new();
        if own_limit {
            options = options.timeout(LIMIT);
        }
        if self.random.percent(20) {
            terms.retries = 1 + u32::from(self.random.percent(50));
            options = options.retries(terms.retries);
        }
        let handle = self.pool.submit_with(options, perform, order);
        match self.random.below(100) {
            0..4 => terms.cancelled = handle.cancel(),
            4..7 => {
                handle.kill();
            }
            _ => {}
        }
        (terms, handle)
    }

    /// Orders for a map.
    fn orders(&mut self) -> (Vec<Terms>, Vec<Order>) {
        let count = 1 + self.random.below(60).min(CALLS - self.next - 1);
        (0..count).map(|_| self.order(self.limited)).unzip()
    }

    /// A map, whose results come in order.
    fn map(&mut self) -> Result<(), String> {
        let (terms, orders) = self.orders();
        let outcomes: Vec<_> = self.pool.map(perform, orders).collect();
        if outcomes.len() != terms.len() {
            return Err(format!("{} items gave {} results", terms.len(), outcomes.len()));
        }
        for (terms, outcome) in terms.iter().zip(&outcomes) {
            terms.judge(outcome, &self.marks, &mut self.report.ends)?;
        }
        Ok(())
    }

    /// A map whose results come as they are finished. An error does not say whose it is, so there
    /// must be somebody whose it can be; those that can be anybody's are looked at last.
    fn map_unordered(&mut self) -> Result<(), String> {
        let (mut terms, orders) = self.orders();
        let mut outcomes: Vec<_> = self.pool.map_unordered(perform, orders).collect();
        if outcomes.len() != terms.len() {
            return Err(format!("{} items gave {} results", terms.len(), outcomes.len()));
        }
        outcomes.sort_by_key(|outcome| match outcome {
            Ok(_) => 0,
            Err(
                JoinError::WorkerLost { signal: Some(9), .. }
                | JoinError::TimedOut { .. }
                | JoinError::Broken { .. },
            ) => 2,
            Err(_) => 1,
        });
        for outcome in outcomes {
            let mut why = "there are more results than items".to_owned();
            let owner = terms.iter().position(|terms| {
                let judged = terms.judge(&outcome, &self.marks, &mut self.report.ends);
                judged.map_err(|other| why = other).is_ok()
            });
            terms.swap_remove(owner.ok_or(why)?);
        }
        Ok(())
    }

    /// The pool's own books say the same.
    fn compare_books(&self) -> Result<(), String> {
        wait_until("no payload is left in the pool's memory", || {
            self.pool.stats().arena_blocks == 0
        })?;
        let stats = self.pool.stats();
        let ended = stats.done + stats.panicked + stats.failed + stats.cancelled;
        // What could not be encoded here never was a call of the pool; a result that cannot be
        // decoded here was returned, as far as it knows.
        let calls = self.report.ends.sum() - self.report.ends.unsent;
        let fewest = calls - self.report.ends.without_memory;
        if (fewest..=calls).contains(&ended) && stats.queued + stats.running == 0 {
            Ok(())
        } else {
            Err(format!("{fewest} to {calls} calls, but the pool has {stats:?}"))
        }
    }
}
