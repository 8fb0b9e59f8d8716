//! A bounded queue between threads.
//!
//! One mutex and two conditions. A notification costs a system call even when
//! nobody waits, so each side counts its waiters ([`Side`]) and the other side
//! notifies only if there is a waiter who has not been notified yet.
//!
//! # Why no wake-up is lost
//!
//! For one side, let `sleeping` be the threads blocked on its condition that no
//! notification has reached, and `coming` the other ones of those counted in
//! `waiting`: they are on their way to the mutex and will look at the queue. Two
//! facts hold whenever the mutex is free:
//!
//! - `notified <= coming`. A notification adds one to both, or, if nobody sleeps,
//!   only to `notified`, which the test before it (`notified < waiting`) allows.
//!   A thread that comes back takes one off both (`notified` not below zero).
//! - So if there is no notification, because `notified == waiting`, then all who
//!   wait are coming, and nobody sleeps.
//!
//! Each value put, and each place freed, thus either brings one more thread to
//! look, or finds that all will look anyway. A thread looks at the queue after
//! every wake-up, also when its time is over, before it gives up; a notification
//! that reaches a thread which no longer needs it is not lost, either: the thread
//! needed nothing because it found a value, and that one had been announced, too.
//!
//! Values are moved under the lock, never dropped or otherwise touched.

use crate::deadline::{Deadline, lock};
use crate::queue_error::{GetError, PutError};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

/// Places that are allocated at once, and no more for a larger bound: many queues
/// never fill up.
const PREALLOCATED: usize = 64;

/// A bounded queue that any number of threads put values into and get them from,
/// first in, first out.
///
/// A handle: clones are the same queue. It ends by [`shutdown`](Queue::shutdown)
/// and by nothing else; dropping the producers' handles does not end it.
///
/// ```
/// let queue = threads::Queue::bounded(2)?;
/// let producer = threads::spawn(
///     |queue: threads::Queue<u32>| {
///         for x in 0..10 {
///             queue.put(x).expect("nobody shuts it down earlier");
///         }
///         queue.shutdown();
///     },
///     queue.clone(),
/// )?;
/// let mut sum = 0;
/// while let Ok(x) = queue.get() {
///     sum += x;
/// }
/// producer.join()?;
/// assert_eq!(sum, 45);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What must not leave its thread cannot go through one to another:
///
/// ```compile_fail,E0277
/// let queue = threads::Queue::<std::rc::Rc<u32>>::bounded(1).unwrap();
/// std::thread::spawn(move || queue.get());
/// ```
///
/// # Not promised
///
/// Fairness: a thread that does not wait may be served before one that does.
pub struct Queue<T> {
    /// The queue itself.
    inner: Arc<Inner<T>>,
}

/// What the handles of a queue share.
struct Inner<T> {
    /// The values and who waits.
    state: Mutex<State<T>>,
    /// The threads that wait for a value.
    for_value: Condvar,
    /// The threads that wait for a free place.
    for_place: Condvar,
    /// The most values at a time; at least 1.
    capacity: usize,
}

/// What the mutex of a queue protects.
struct State<T> {
    /// The values, oldest first.
    values: VecDeque<T>,
    /// Those who wait for a value.
    getters: Side,
    /// Those who wait for a free place.
    putters: Side,
    /// Set once, by `shutdown`.
    shut_down: bool,
}

/// The waiters on one condition. See the module for the invariant.
#[derive(Default)]
struct Side {
    /// Threads between the beginning of their wait and their coming back.
    waiting: usize,
    /// Notifications that no thread has come back for. At most `waiting`.
    notified: usize,
}

impl Side {
    /// Whether to notify one waiter, which is then counted as notified.
    fn claim(&mut self) -> bool {
        let claim = self.notified < self.waiting;
        self.notified += usize::from(claim);
        claim
    }

    /// A waiter is back with the mutex.
    fn back(&mut self) {
        self.waiting -= 1;
        self.notified = self.notified.saturating_sub(1);
    }
}

impl<T> Queue<T> {
    /// A queue for at most `capacity` values at a time.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when `capacity` is zero.
    pub fn bounded(capacity: usize) -> io::Result<Self> {
        if capacity == 0 {
            let text = "make a queue of capacity 0: ask for at least 1";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let state = State {
            values: VecDeque::with_capacity(capacity.min(PREALLOCATED)),
            getters: Side::default(),
            putters: Side::default(),
            shut_down: false,
        };
        let inner = Inner {
            state: Mutex::new(state),
            for_value: Condvar::new(),
            for_place: Condvar::new(),
            capacity,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Puts a value; waits while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError::ShutDown`].
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_before(value, Deadline::Never)
    }

    /// Puts a value if there is a free place.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`], [`PutError::ShutDown`].
    pub fn try_put(&self, value: T) -> Result<(), PutError<T>> {
        let state = lock(&self.inner.state);
        if state.shut_down {
            Err(PutError::ShutDown(value))
        } else if state.values.len() == self.inner.capacity {
            Err(PutError::Full(value))
        } else {
            self.inner.push(state, value);
            Ok(())
        }
    }

    /// Puts a value; waits while the queue is full, but not longer than `limit`.
    ///
    /// # Errors
    ///
    /// [`PutError::TimedOut`], [`PutError::ShutDown`].
    pub fn put_timeout(&self, value: T, limit: Duration) -> Result<(), PutError<T>> {
        self.put_before(value, Deadline::after(limit))
    }

    /// Gets the oldest value; waits while the queue is empty.
    ///
    /// # Errors
    ///
    /// [`GetError::ShutDown`].
    pub fn get(&self) -> Result<T, GetError> {
        self.get_before(Deadline::Never)
    }

    /// Gets the oldest value if there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`], [`GetError::ShutDown`].
    pub fn try_get(&self) -> Result<T, GetError> {
        let state = lock(&self.inner.state);
        let error = if state.shut_down { GetError::ShutDown } else { GetError::Empty };
        self.inner.pop(state).map_err(|_state| error)
    }

    /// Gets the oldest value; waits while the queue is empty, but not longer than
    /// `limit`.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`], [`GetError::ShutDown`].
    pub fn get_timeout(&self, limit: Duration) -> Result<T, GetError> {
        self.get_before(Deadline::after(limit))
    }

    /// Ends the queue: every later `put` fails, and so does one that waits now;
    /// `get` gives what is left and then fails, as does one that waits now. Doing
    /// it twice is no error.
    pub fn shutdown(&self) {
        lock(&self.inner.state).shut_down = true;
        // Rare, so without asking who waits.
        self.inner.for_value.notify_all();
        self.inner.for_place.notify_all();
    }

    /// How many values are in the queue at this moment.
    pub fn len(&self) -> usize {
        lock(&self.inner.state).values.len()
    }

    /// Whether the queue has no value at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the queue can hold.
    pub fn capacity(&self) -> usize {
        self.inner.capacity
    }

    /// [`put`](Queue::put) with a deadline.
    fn put_before(&self, value: T, deadline: Deadline) -> Result<(), PutError<T>> {
        let inner = &*self.inner;
        let mut state = lock(&inner.state);
        loop {
            if state.shut_down {
                return Err(PutError::ShutDown(value));
            }
            if state.values.len() < inner.capacity {
                inner.push(state, value);
                return Ok(());
            }
            state.putters.waiting += 1;
            let woken = deadline.wait(&inner.for_place, state);
            let over = woken.is_err();
            state = woken.unwrap_or_else(|guard| guard);
            state.putters.back();
            if over {
                return Err(PutError::TimedOut(value));
            }
        }
    }

    /// [`get`](Queue::get) with a deadline.
    fn get_before(&self, deadline: Deadline) -> Result<T, GetError> {
        let inner = &*self.inner;
        let mut state = lock(&inner.state);
        loop {
            state = match inner.pop(state) {
                Ok(value) => return Ok(value),
                Err(state) => state,
            };
            if state.shut_down {
                return Err(GetError::ShutDown);
            }
            state.getters.waiting += 1;
            let woken = deadline.wait(&inner.for_value, state);
            let over = woken.is_err();
            state = woken.unwrap_or_else(|guard| guard);
            state.getters.back();
            if over {
                return Err(GetError::TimedOut);
            }
        }
    }
}

impl<T> Inner<T> {
    /// Puts a value into a queue that has a free place.
    fn push(&self, mut state: MutexGuard<'_, State<T>>, value: T) {
        state.values.push_back(value);
        let notify = state.getters.claim();
        drop(state);
        if notify {
            self.for_value.notify_one();
        }
    }

    /// Takes the oldest value; gives the guard back if there is none.
    fn pop<'a>(&self, mut state: MutexGuard<'a, State<T>>) -> Result<T, MutexGuard<'a, State<T>>> {
        let Some(value) = state.values.pop_front() else { return Err(state) };
        let notify = state.putters.claim();
        drop(state);
        if notify {
            self.for_place.notify_one();
        }
        Ok(value)
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.inner.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let seen = state.map(|state| (state.values.len(), state.shut_down));
        let mut text = f.debug_struct("Queue");
        text.field("capacity", &self.inner.capacity);
        if let Some((len, shut_down)) = seen {
            text.field("len", &len).field("shut_down", &shut_down);
        }
        text.finish_non_exhaustive()
    }
}
