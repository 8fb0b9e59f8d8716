//! The thread that notices when a reactor does not go on, and that gives records to those who want them.
//!
//! There is one for all reactors of the process. It starts when the first one runs; dropping the last one
//! ends and joins it, so that nothing is left behind. Two may exist for a moment: one that is to end,
//! and is being waited for, and one that another reactor has started meanwhile. They are told apart by
//! their numbers. A hook runs on the thread and may use reactors of its own: if the last one to be dropped
//! is such a one, the thread, which cannot wait for itself, ends when the hook has returned.
//!
//! It looks at each several times per limit: a reactor that is awake and has begun
//! nothing new since the look before is still in the same poll, drop or call. It is told of when that has taken as
//! long as the limit, then twice as long, and so on.
//!
//! While all reactors sleep, so does the thread, without a time-out. Nobody is missed:
//!
//! | thread | reactor that wakes up |
//! |---|---|
//! | sets `is_parked` | sets `is_awake` |
//! | looks whether a reactor is awake; if so, it goes on | looks whether the thread is parked; if so, ends that |
//!
//! All four are sequentially consistent, so at least one of the two sees what the other has set. To end
//! it takes the lock under which the thread began to wait.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::hooks::{Blocked, Hooks, Trigger};
use super::image::Image;
use super::layout::{Who, head};
use super::report::{Record, Scale};
use super::shared::Shared;
use crate::contain::contain_and_discard;

/// Looks per limit.
const LOOKS: u32 = 4;
/// The longest time between two looks.
const LONGEST_TICK: Duration = Duration::from_secs(1);

/// A reactor that is looked after.
#[derive(Debug)]
pub(super) struct Watched {
    /// Its number.
    reactor: u64,
    shared: Arc<Shared>,
    hooks: Hooks,
    /// It runs and does not sleep.
    is_awake: AtomicBool,
}

/// A record for somebody who wants it.
struct Delivery {
    of: Arc<Watched>,
    trigger: Trigger,
    image: Image,
}

/// What the thread and the reactors share.
struct Watchdog {
    state: Mutex<State>,
    /// Something has changed that the thread has to know.
    changed: Condvar,
    /// A delivery is over.
    delivered: Condvar,
    /// The thread waits without a time-out, or is about to.
    is_parked: AtomicBool,
}

/// The part under the lock. Hooks are called outside of it.
struct State {
    watched: Vec<Arc<Watched>>,
    /// At most one for each reactor.
    deliveries: VecDeque<Delivery>,
    /// The reactor whose record is being delivered.
    delivering: Option<u64>,
    /// The thread that is to go on, with its number. Whoever takes it joins it.
    thread: Option<(u64, JoinHandle<()>)>,
    /// How many threads there were.
    threads: u64,
    /// How many wait in [`Watched::end`]. They may be about to take the thread.
    ending: usize,
}

static WATCHDOG: Watchdog = Watchdog {
    state: Mutex::new(State {
        watched: Vec::new(),
        deliveries: VecDeque::new(),
        delivering: None,
        thread: None,
        threads: 0,
        ending: 0,
    }),
    changed: Condvar::new(),
    delivered: Condvar::new(),
    is_parked: AtomicBool::new(false),
};

thread_local! {
    /// This is the thread.
    static IS_WATCHDOG: Cell<bool> = const { Cell::new(false) };
}

impl Watched {
    /// For a reactor of which something is to be told; none if nothing is.
    pub(super) fn new(reactor: u64, shared: &Arc<Shared>, hooks: &Hooks) -> Option<Arc<Self>> {
        let is_needed = hooks.limit.is_some() || hooks.triggers != 0;
        is_needed.then(|| {
            let (shared, hooks) = (Arc::clone(shared), hooks.clone());
            Arc::new(Self { reactor, shared, hooks, is_awake: AtomicBool::new(false) })
        })
    }

    /// The reactor begins to run for the first time. Without a thread, nothing is told.
    pub(super) fn start(self: &Arc<Self>) {
        let mut state = WATCHDOG.lock();
        state.watched.push(Arc::clone(self));
        if state.thread.is_none() {
            state.threads += 1;
            let number = state.threads;
            let thread = thread::Builder::new().name("evented-watchdog".to_owned());
            let spawned = thread.spawn(move || run(number));
            state.thread = spawned.ok().map(|thread| (number, thread));
        }
        WATCHDOG.is_parked.store(false, Ordering::SeqCst);
        drop(state);
        WATCHDOG.changed.notify_all();
    }

    /// The reactor is dropped. Waits for those who are being given its record, and if it is the last one,
    /// for the thread.
    pub(super) fn end(&self) {
        let mut state = WATCHDOG.lock();
        state.watched.retain(|watched| watched.reactor != self.reactor);
        WATCHDOG.is_parked.store(false, Ordering::SeqCst);
        WATCHDOG.changed.notify_all();
        if IS_WATCHDOG.get() {
            // Whoever gets a record uses a reactor of their own.
            return;
        }
        state.ending += 1;
        while state.thread.is_some() && state.concerns(self.reactor) {
            state = WATCHDOG.delivered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.ending -= 1;
        let is_last = state.watched.is_empty() && state.ending == 0;
        let thread = if is_last { state.thread.take() } else { None };
        drop(state);
        if let Some((_, thread)) = thread {
            // It may have gone to sleep after the first call.
            WATCHDOG.changed.notify_all();
            // Panics of hooks are contained, so there is none to be told of.
            drop(thread.join());
        }
    }

    /// The reactor is about to sleep, or stops running.
    #[inline]
    pub(super) fn sleeps(&self) {
        self.is_awake.store(false, Ordering::Release);
    }

    /// It goes on.
    #[inline]
    pub(super) fn wakes(&self) {
        self.is_awake.store(true, Ordering::SeqCst);
        if WATCHDOG.is_parked.load(Ordering::SeqCst) {
            WATCHDOG.unpark();
        }
    }

    /// Has the record delivered as it is now, if somebody wants it for this reason; not while one is
    /// on its way.
    pub(super) fn fire(self: &Arc<Self>, trigger: Trigger) {
        if self.hooks.triggers & trigger.bit() == 0 || WATCHDOG.lock().concerns(self.reactor) {
            return;
        }
        let image = Image::of(&self.shared);
        let mut state = WATCHDOG.lock();
        if state.thread.is_some() {
            state.deliveries.push_back(Delivery { of: Arc::clone(self), trigger, image });
            WATCHDOG.is_parked.store(false, Ordering::SeqCst);
        }
        drop(state);
        WATCHDOG.changed.notify_all();
    }

    /// What the reactor is in, as the one who has begun so many things, has to be told of, unless it is over.
    fn tell(&self, (who, begun): (Who, u64), elapsed: Duration, times: u32) {
        let record = Record::of(&self.shared);
        if self.shared.header()[head::BEGUN].load(Ordering::Acquire) != begun {
            return;
        }
        let blocked = Blocked::of(self.reactor, &record, who, elapsed, times);
        contain_and_discard(|| (self.hooks.on_block)(&blocked));
    }
}

impl Watchdog {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn unpark(&self) {
        let state = self.lock();
        self.is_parked.store(false, Ordering::SeqCst);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until the next look is due, or longer while everybody sleeps. None: it is over for the thread
    /// of this number.
    fn next(&self, number: u64) -> Option<(Vec<Arc<Watched>>, Option<Delivery>, Duration)> {
        let mut state = self.lock();
        if state.is_alone() {
            // Nobody is left to join it.
            drop(state.thread.take());
        }
        if state.is_over(number) {
            return None;
        }
        let limits = state.watched.iter().filter_map(|watched| watched.hooks.limit);
        let tick = limits.min().map(|limit| (limit / LOOKS).min(LONGEST_TICK));
        if state.deliveries.is_empty() {
            self.is_parked.store(true, Ordering::SeqCst);
            let is_awake = |watched: &Arc<Watched>| {
                watched.hooks.limit.is_some() && watched.is_awake.load(Ordering::SeqCst)
            };
            if let Some(tick) = tick.filter(|_| state.watched.iter().any(is_awake)) {
                self.is_parked.store(false, Ordering::SeqCst);
                let waited = self.changed.wait_timeout(state, tick);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else {
                let parked = |state: &mut State| {
                    self.is_parked.load(Ordering::SeqCst) && !state.is_over(number)
                };
                let waited = self.changed.wait_while(state, parked);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
        if state.is_over(number) {
            return None;
        }
        let delivery = state.deliveries.pop_front();
        state.delivering = delivery.as_ref().map(|delivery| delivery.of.reactor);
        Some((state.watched.clone(), delivery, tick.unwrap_or(LONGEST_TICK)))
    }
}

impl State {
    /// Whether the thread of this number is to end: it was taken.
    fn is_over(&self, number: u64) -> bool {
        self.thread.as_ref().is_none_or(|(goes_on, _)| *goes_on != number)
    }

    /// Whether there is no reactor, and nobody who is about to take the thread: the last one was dropped by
    /// a hook.
    fn is_alone(&self) -> bool {
        self.watched.is_empty() && self.deliveries.is_empty() && self.ending == 0
    }

    /// Whether a record of this reactor is on its way.
    fn concerns(&self, reactor: u64) -> bool {
        self.delivering == Some(reactor)
            || self.deliveries.iter().any(|delivery| delivery.of.reactor == reactor)
    }
}

/// What was seen of a reactor.
struct Sight {
    /// How many things it had begun.
    begun: u64,
    /// Since when it is in the last one of them, as far as was seen.
    since: Instant,
    /// How many looks have found it there.
    looks: u32,
    /// How often it was told of.
    told: u32,
}

/// The life of the thread of this number.
fn run(number: u64) {
    IS_WATCHDOG.set(true);
    let mut sights: HashMap<u64, Sight> = HashMap::new();
    while let Some((watched, delivery, tick)) = WATCHDOG.next(number) {
        if let Some(Delivery { of, trigger, image }) = delivery {
            if let Some(hook) = &of.hooks.on_trigger {
                contain_and_discard(|| hook(trigger, &Record::from_image(&image)));
            }
            WATCHDOG.lock().delivering = None;
            WATCHDOG.delivered.notify_all();
        }
        sights.retain(|reactor, _| watched.iter().any(|watched| watched.reactor == *reactor));
        for watched in &watched {
            if let Some(limit) = watched.hooks.limit {
                look(watched, limit, tick, &mut sights);
            }
        }
    }
}

/// Looks at a reactor.
fn look(watched: &Watched, limit: Duration, tick: Duration, sights: &mut HashMap<u64, Sight>) {
    let header = watched.shared.header();
    let load = |word: usize| header[word].load(Ordering::Relaxed);
    let (begun, who, since) = (load(head::BEGUN), Who(load(head::RUNNING)), load(head::NOW));
    let keeps = who == Who::CALL || who.name().is_some();
    if !watched.is_awake.load(Ordering::Acquire) || !keeps {
        sights.remove(&watched.reactor);
        return;
    }
    let fresh = || Sight { begun, since: Instant::now(), looks: 0, told: 0 };
    let sight = sights.entry(watched.reactor).or_insert_with(fresh);
    if sight.begun != begun {
        *sight = fresh();
        return;
    }
    sight.looks = sight.looks.saturating_add(1);
    let scale = Scale { base: since, ns_per_tick: f64::from_bits(load(head::NS_PER_TICK)) };
    let elapsed = scale.moment(watched.shared.ticks()).max(sight.since.elapsed());
    // It may be that the whole process stood still: then there were no looks.
    let seen = tick.saturating_mul(sight.looks);
    let due = limit.saturating_mul(1_u32.checked_shl(sight.told).unwrap_or(u32::MAX));
    if elapsed >= due && seen >= due / 2 && load(head::BEGUN) == begun {
        watched.tell((who, begun), elapsed, sight.told);
        sight.told += 1;
    }
}
