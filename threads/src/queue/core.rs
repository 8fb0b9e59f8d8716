//! The protocol of the queues: who waits, who is told, and when.
//!
//! One mutex protects the values and the lines of waiting threads.
//!
//! **Putters** wait with their value in the queue's own hands: a full queue keeps it in
//! `pending`. Whoever takes a value moves the oldest pending one into the free place, and
//! its putter to the line `admitted`: nothing is left to do for it but to go on. So a getter
//! finds the values of waiting putters without a change of threads.
//!
//! **Getters** wait in a line of their own, and are told to look.
//!
//! On both sides only one thread is on its way at a time (`returning`, `coming`), and when it
//! arrives it sends the next one that should go on. Values that come in quick succession do
//! not wake a crowd of which the first one takes all, and a thread that exchanges values at
//! full speed pays for one wake-up while the woken thread is under way, not for one with each
//! value.
//!
//! # Why no wake-up is lost
//!
//! Whenever the mutex is free, and the queue is not shut down:
//!
//! 1. If there is a pending value, the queue is full: a put waits only then, and a place that
//!    becomes free is filled from `pending` at once.
//! 2. If there is an admitted putter in line, another one is returning. Whoever admits tells
//!    one if none is, and one that returns tells the next.
//! 3. If there are values, and getters in line, a getter is coming. Whoever puts tells one if
//!    none is, and one that arrives takes a value, and tells the next if there are more.
//!
//! All other steps only take values away, or threads out of their line. A thread whose time
//! is over takes the mutex like one that was woken, and if it was told in the last moment it
//! behaves like one: otherwise the word would end with it. If it was not told, it leaves its
//! line, and nobody counts on it. An admitted putter succeeds in any case, and a getter that
//! finds a value takes it. `tests/loom` checks all this, and that it fails without this rule.
//!
//! Whom to wake is noted under the mutex, and done after it (see [`Wakes`]). Values are moved
//! under it, never dropped. Of user code, only the comparisons of a priority queue run there.
//!
//! # Spinning
//!
//! To block a thread and to wake it costs some ten microseconds; if the other side is at
//! work, its turn comes sooner than that. So a thread first looks at `len` a few times, with
//! pauses and then with other threads in between, before it gets in line. Nobody counts on a
//! thread that spins, and so it may be choosy: a putter waits for a half empty queue, and
//! then puts many values at once, instead of keeping in step with a getter. Before it gets in
//! line, it takes any place that is free.

use super::primitives::{AtomicUsize, Deadline, Mutex, spin};
use super::storage::Storage;
use super::waiter::{Line, Waiter, Wakes};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What the handles of a queue share.
pub(super) struct Core<S: Storage> {
    /// The values and who waits.
    pub(super) state: Mutex<State<S>>,
    /// How many values there were lately. Only a hint for threads that spin, who look at the
    /// state itself before they act.
    pub(super) len: AtomicUsize,
    /// The most values at a time; at least 1.
    pub(super) capacity: usize,
}

/// What the mutex of a queue protects.
pub(super) struct State<S: Storage> {
    /// The values; at most `capacity`.
    pub(super) values: S,
    /// The values of putters that wait, oldest first.
    pending: VecDeque<Pending<S::Item>>,
    /// Putters whose value was moved from `pending` to `values`, and who do not know it.
    admitted: Line,
    /// Putters that were told so and have not returned: at most 1.
    returning: usize,
    /// Getters that wait.
    pub(super) getters: Line,
    /// Getters that were told to look and have not arrived: at most 1.
    coming: usize,
    /// Values that were put, and not reported as done.
    pub(super) unfinished: usize,
    /// Threads that wait until `unfinished` is zero.
    pub(super) joiners: Line,
    /// Set once, by `shut_down`.
    pub(super) shut_down: bool,
}

/// The value of a putter that waits.
struct Pending<T> {
    /// The value.
    value: T,
    /// Who put it.
    putter: Arc<Waiter>,
}

/// Why a value was not put, or not got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no place or no value; or there was none until time was over.
    NotNow,
    /// The queue is shut down.
    ShutDown,
}

impl<S: Storage> State<S> {
    /// Puts a value if there is a place. The getter is told first: the push can panic, in the
    /// comparison of a priority queue.
    pub(super) fn push(
        &mut self,
        value: S::Item,
        capacity: usize,
        wakes: &mut Wakes,
    ) -> Result<(), (S::Item, Refused)> {
        if self.shut_down {
            return Err((value, Refused::ShutDown));
        }
        if self.values.len() >= capacity {
            return Err((value, Refused::NotNow));
        }
        self.unfinished += 1;
        self.send_getter(wakes);
        self.values.push(value);
        Ok(())
    }

    /// Takes a value if there is one, and fills its place.
    pub(super) fn take(&mut self, wakes: &mut Wakes) -> Option<S::Item> {
        let value = self.values.pop()?;
        if !self.shut_down
            && let Some(Pending { value, putter }) = self.pending.pop_front()
        {
            self.unfinished += 1;
            self.admitted.push(putter);
            self.send_putter(wakes);
            self.values.push(value);
        }
        Some(value)
    }

    /// Sends a getter if there is one to send and none is coming.
    fn send_getter(&mut self, wakes: &mut Wakes) {
        if self.coming == 0
            && let Some(getter) = self.getters.tell_first()
        {
            self.coming = 1;
            wakes.getter = Some(getter);
        }
    }

    /// Sends an admitted putter if there is one to send and none is returning.
    fn send_putter(&mut self, wakes: &mut Wakes) {
        if self.returning == 0
            && let Some(putter) = self.admitted.tell_first()
        {
            self.returning = 1;
            wakes.putter = Some(putter);
        }
    }

    /// A getter is back from its wait, and in line no more.
    fn arrive(&mut self, getter: &Arc<Waiter>) {
        if !self.getters.remove(getter) && !self.shut_down {
            self.coming = 0;
        }
    }

    /// A putter is back from its wait, and in line no more. Gives its value back if it was
    /// not admitted.
    fn come_back(&mut self, putter: &Arc<Waiter>, wakes: &mut Wakes) -> Result<(), S::Item> {
        let place = self.pending.iter().position(|pending| Arc::ptr_eq(&pending.putter, putter));
        if let Some(pending) = place.and_then(|place| self.pending.remove(place)) {
            return Err(pending.value);
        }
        if !self.admitted.remove(putter) {
            self.returning = 0;
            self.send_putter(wakes);
        }
        Ok(())
    }
}

/// The step in which a getter takes what it takes, and tells the next. It does so also when a
/// comparison of a priority queue panics: the values that are left are for others.
struct Turn<'a, S: Storage> {
    /// The queue.
    state: &'a mut State<S>,
    /// Where the next getter is noted.
    wakes: &'a mut Wakes,
}

impl<S: Storage> Drop for Turn<'_, S> {
    #[inline]
    fn drop(&mut self) {
        if self.state.values.len() > 0 {
            self.state.send_getter(self.wakes);
        }
    }
}

/// How a getter has waited so far.
enum Patience {
    /// Not at all; it spins next.
    New,
    /// It spun; it gets in line next.
    Spun,
    /// In line, until it was told to look.
    Told(Arc<Waiter>),
    /// In line, until time was over.
    Over(Arc<Waiter>),
}

impl<S: Storage> Core<S> {
    /// An empty queue.
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            values: S::new(capacity),
            pending: VecDeque::new(),
            admitted: Line::default(),
            returning: 0,
            getters: Line::default(),
            coming: 0,
            unfinished: 0,
            joiners: Line::default(),
            shut_down: false,
        };
        Self { state: Mutex::new(state), len: AtomicUsize::new(0), capacity }
    }

    /// Puts a value; waits for a place if there is a deadline.
    pub(super) fn put(
        &self,
        value: S::Item,
        deadline: Option<Deadline>,
    ) -> Result<(), (S::Item, Refused)> {
        let value = match (self.put_now(value), deadline) {
            (Err((value, Refused::NotNow)), Some(_)) => value,
            (done, _) => return done,
        };
        let deadline = deadline.expect("there is one, for the other case has returned");
        self.spin(deadline, |len| len > self.capacity / 2);
        let mut wakes = Wakes::default();
        let putter = Waiter::mine();
        {
            let mut state = self.state.lock();
            match state.push(value, self.capacity, &mut wakes) {
                Err((value, Refused::NotNow)) => {
                    let putter = Arc::clone(&putter);
                    state.pending.push_back(Pending { value, putter });
                }
                done => {
                    self.len.store(state.values.len(), Relaxed);
                    return done;
                }
            }
        }
        putter.wait(deadline);
        let mut state = self.state.lock();
        let refused = if state.shut_down { Refused::ShutDown } else { Refused::NotNow };
        state.come_back(&putter, &mut wakes).map_err(|value| (value, refused))
    }

    /// Puts a value if there is a place.
    fn put_now(&self, value: S::Item) -> Result<(), (S::Item, Refused)> {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        state.push(value, self.capacity, &mut wakes)?;
        self.len.store(state.values.len(), Relaxed);
        Ok(())
    }

    /// Gets what `take` takes; waits for it if there is a deadline.
    pub(super) fn get<R>(
        &self,
        deadline: Option<Deadline>,
        mut take: impl FnMut(&mut State<S>, &mut Wakes) -> Option<R>,
    ) -> Result<R, Refused> {
        let mut patience = Patience::New;
        loop {
            let mut wakes = Wakes::default();
            let mut state = self.state.lock();
            if let Patience::Told(getter) | Patience::Over(getter) = &patience {
                state.arrive(getter);
            }
            let turn = Turn { state: &mut state, wakes: &mut wakes };
            let taken = take(turn.state, turn.wakes);
            drop(turn);
            if let Some(taken) = taken {
                self.len.store(state.values.len(), Relaxed);
                return Ok(taken);
            }
            if state.shut_down {
                return Err(Refused::ShutDown);
            }
            patience = match (patience, deadline) {
                (Patience::Over(_), _) | (_, None) => return Err(Refused::NotNow),
                (Patience::New, Some(deadline)) => {
                    drop(state);
                    self.spin(deadline, |len| len == 0);
                    Patience::Spun
                }
                (Patience::Spun | Patience::Told(_), Some(deadline)) => {
                    let getter = Waiter::mine();
                    state.getters.push(Arc::clone(&getter));
                    drop(state);
                    if getter.wait(deadline) {
                        Patience::Told(getter)
                    } else {
                        Patience::Over(getter)
                    }
                }
            };
        }
    }

    /// Ends the queue; with `discard`, also takes out what is in it.
    pub(super) fn shut_down(&self, discard: bool) -> Option<S> {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        state.shut_down = true;
        state.getters.tell_all(&mut wakes);
        // The values stay where each putter takes its own back.
        for pending in &state.pending {
            wakes.tell(&pending.putter);
        }
        if !discard {
            return None;
        }
        let values = mem::replace(&mut state.values, S::new(0));
        state.unfinished -= state.unfinished.min(values.len());
        state.tell_joiners(&mut wakes);
        self.len.store(0, Relaxed);
        Some(values)
    }

    /// Lets time pass while the queue's length is not what the caller waits for.
    fn spin(&self, deadline: Deadline, wait: impl Fn(usize) -> bool) {
        let mut round = 0;
        while wait(self.len.load(Relaxed)) && spin(round, deadline) {
            round += 1;
        }
    }
}
