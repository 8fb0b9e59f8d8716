//! The thread that notices when a reactor does not go on, and that gives records to those who want them.
//!
//! There is one for all reactors of the process. It starts when the first one runs; dropping the last one
//! ends and joins it, so that nothing is left behind. Two may exist for a moment: one that is to end,
//! and is being waited for, and one that another reactor has started meanwhile. They are told apart by
//! their numbers.
//!
//! A hook runs on the thread, and may use reactors of its own, there or on other threads, and wait for those.
//! So nobody waits for a hook without end but the reactor whose record it is given:
//!
//! - if the last reactor to be dropped is one of a hook on the thread itself, which cannot wait for itself,
//!   the thread ends alone when the hook has returned;
//! - if the thread is in a hook, the last one waits for it no longer than [`PATIENCE`]; then, too, it ends alone;
//! - a record that is still on its way when its reactor is dropped is given out by who drops it, as the
//!   thread may be in a hook that waits for that.
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

mod thread;

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::hooks::{Blocked, Hooks, Trigger};
use super::image::Image;
use super::layout::{Who, head};
use super::report::Record;
use super::shared::Shared;
use crate::contain::contain_and_discard;
use crate::current;

/// Looks per limit.
const LOOKS: u32 = 4;
/// The longest time between two looks.
const LONGEST_TICK: Duration = Duration::from_secs(1);
/// How long the last reactor waits for a hook before it leaves the thread alone.
const PATIENCE: Duration = Duration::from_secs(2);

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
    /// A hook has returned, or there is a reactor again.
    returned: Condvar,
    /// The thread waits without a time-out, or is about to.
    is_parked: AtomicBool,
}

/// The part under the lock. Hooks are called outside of it.
struct State {
    watched: Vec<Arc<Watched>>,
    /// At most one for each reactor.
    deliveries: VecDeque<Delivery>,
    /// The hook that the thread is in.
    hook: Option<InHook>,
    /// The thread that is to go on, with its number. Whoever takes it joins it.
    thread: Option<(u64, JoinHandle<()>)>,
    /// How many threads there were.
    threads: u64,
    /// How many wait in [`Watched::end`]. They may be about to take the thread.
    ending: usize,
}

/// A hook that is being called.
#[derive(Clone, Copy)]
struct InHook {
    /// The number of the thread that is in it.
    thread: u64,
    /// The reactor whose record it was given. None: it is told what blocks.
    record_of: Option<u64>,
}

static WATCHDOG: Watchdog = Watchdog {
    state: Mutex::new(State {
        watched: Vec::new(),
        deliveries: VecDeque::new(),
        hook: None,
        thread: None,
        threads: 0,
        ending: 0,
    }),
    changed: Condvar::new(),
    returned: Condvar::new(),
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
            let builder = Builder::new().name("evented-watchdog".to_owned());
            let spawned = builder.spawn(move || thread::run(number));
            state.thread = spawned.ok().map(|thread| (number, thread));
        }
        WATCHDOG.is_parked.store(false, Ordering::SeqCst);
        drop(state);
        WATCHDOG.changed.notify_all();
        WATCHDOG.returned.notify_all();
    }

    /// The reactor is dropped. Gives its record to those who have not got it yet, waits for those who are
    /// getting it, and if it is the last one, for the thread.
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
        state = self.give_out_the_rest(state);
        let is_waited_for = |state: &mut State| state.watched.is_empty() && state.hook.is_some();
        let waited = WATCHDOG.returned.wait_timeout_while(state, PATIENCE, is_waited_for);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.ending -= 1;
        let is_last = state.watched.is_empty() && state.ending == 0;
        let thread = if is_last { state.thread.take() } else { None };
        // The next thread is in none.
        let hook = thread.is_some().then(|| state.hook.take()).flatten();
        drop(state);
        if let Some((_, thread)) = thread {
            // It may have gone to sleep after the first call.
            WATCHDOG.changed.notify_all();
            if hook.is_none() {
                // Panics of hooks are contained, so there is none to be told of.
                drop(thread.join());
            }
        }
    }

    /// Gives the record to who has not got it yet, and waits for who is getting it.
    fn give_out_the_rest(
        &self,
        mut state: MutexGuard<'static, State>,
    ) -> MutexGuard<'static, State> {
        let own = state.deliveries.iter().position(|it| it.of.reactor == self.reactor);
        if let Some(delivery) = own.and_then(|place| state.deliveries.remove(place)) {
            drop(state);
            // As on the thread: no reactor runs.
            current::outside(|| delivery.give());
            state = WATCHDOG.lock();
        }
        let is_given =
            |state: &mut State| state.hook.is_some_and(|hook| hook.record_of == Some(self.reactor));
        WATCHDOG.returned.wait_while(state, is_given).unwrap_or_else(PoisonError::into_inner)
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

    /// What the reactor is in, as the one who has begun so many things, has to be told of, by the thread of
    /// this number, unless it is over.
    fn tell(&self, (who, begun): (Who, u64), elapsed: Duration, times: u32, number: u64) {
        let record = Record::of(&self.shared);
        if self.shared.header()[head::BEGUN].load(Ordering::Acquire) != begun {
            return;
        }
        let blocked = Blocked::of(self.reactor, &record, who, elapsed, times);
        if WATCHDOG.begin_telling(number, self.reactor) {
            contain_and_discard(|| (self.hooks.on_block)(&blocked));
            WATCHDOG.hook_returned(number);
        }
    }
}

impl Delivery {
    /// Calls the hook.
    fn give(&self) {
        if let Some(hook) = &self.of.hooks.on_trigger {
            contain_and_discard(|| hook(self.trigger, &Record::from_image(&self.image)));
        }
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

    /// The thread of this number is about to tell of this reactor. False if it is not to: the reactor is being
    /// dropped, or the thread is over, so that nobody would wait for the hook.
    fn begin_telling(&self, number: u64, reactor: u64) -> bool {
        let mut state = self.lock();
        let is_wanted = !state.is_over(number)
            && state.watched.iter().any(|watched| watched.reactor == reactor);
        if is_wanted {
            state.hook = Some(InHook { thread: number, record_of: None });
        }
        is_wanted
    }

    /// The thread of this number is in no hook any more.
    fn hook_returned(&self, number: u64) {
        let mut state = self.lock();
        // If it was left alone meanwhile, that of another thread is not its business.
        if state.hook.is_some_and(|hook| hook.thread == number) {
            state.hook = None;
        }
        drop(state);
        self.returned.notify_all();
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
        if let Some(delivery) = &delivery {
            state.hook = Some(InHook { thread: number, record_of: Some(delivery.of.reactor) });
        }
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
        self.hook.is_some_and(|hook| hook.record_of == Some(reactor))
            || self.deliveries.iter().any(|delivery| delivery.of.reactor == reactor)
    }
}
