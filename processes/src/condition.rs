//! Waiting until something about a lock's value changes.
//!
//! A condition is a count of notifications, the monitor's epoch. Who waits notes it while it holds
//! the lock, unlocks, and sleeps until it is another. A notifier that changed the value after
//! that had to lock it first, so its notification comes after the note, and is seen.
//!
//! `pthread_cond` would be the obvious thing. glibc's keeps groups of waiters inside of it, and
//! after some of them were killed a notifier waits for ever for their group to empty. Here a
//! waiter leaves no trace: one that was killed is missed by nobody.
//!
//! # Those who were to notify
//!
//! A process may be killed after it changed the value and before it notified, or with the lock in
//! its hand. Nobody else would then wake those who wait, so they look again from time to time
//! ([`LOOK_AGAIN`]): at the value, and whether the lock is poisoned.

use std::fmt;
use std::io;
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;
use crate::lock::{Guard, Shared};
use crate::monitor::{Kind, Monitor, deadline_ns};

/// How long a killed notifier can go unnoticed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Has processes wait until another one has changed the value of a [`Lock`](crate::Lock).
///
/// A clone is another handle of the same condition. A handle may be passed to a call, as the
/// argument or anywhere inside of it; serialising it elsewhere is an error.
///
/// Waiting takes the lock's guard, unlocks, blocks, and locks again before it returns; nothing
/// that is notified in between is missed. Notify after the change; whether the lock is still held
/// then makes no difference to correctness.
///
/// ```
/// use processes::{Condition, Lock};
///
/// let (lock, condition) = (Lock::new(0_u32)?, Condition::new()?);
/// let count = |(lock, condition): (Lock<u32>, Condition)| {
///     *lock.lock().expect("nobody panics") += 1;
///     condition.notify_all();
/// };
/// let calls = [(); 3].map(|()| processes::spawn(count, (lock.clone(), condition.clone())));
/// let guard = lock.lock().expect("nobody panics");
/// let guard = condition.wait_for(guard, |count| *count == 3).expect("nobody panics");
/// assert_eq!(*guard, 3);
/// drop(guard);
/// for call in calls {
///     call?.join()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A process that is killed while it waits harms nobody. One that is killed when it should have
/// notified is noticed within half a second, by whoever waits: `wait_for` looks at the value
/// again, and every wait ends with the poison of a lock whose holder died.
///
/// **Not** guaranteed: that [`wait`](Condition::wait) returns only after a notification that was
/// meant for it, nor fairness. [`wait_for`](Condition::wait_for) looks for itself.
#[derive(Clone)]
pub struct Condition {
    /// The count, in the epoch.
    monitor: Monitor,
}

impl Condition {
    /// A condition on which nobody waits.
    ///
    /// # Errors
    /// No descriptors or memory are left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { monitor: Monitor::create(Kind::Condition, 0)? })
    }

    /// Waits until notified.
    ///
    /// # Errors
    /// [`PoisonError`], with the guard in it, if a process panicked or died while holding the
    /// lock.
    pub fn wait<'a, T: Shared>(&self, guard: Guard<'a, T>) -> LockResult<Guard<'a, T>> {
        only_guard(self.wait_until(guard, None, |_value, notified| notified))
    }

    /// Waits until notified (true), but not longer than `limit` (false).
    ///
    /// # Errors
    /// As [`wait`](Condition::wait), with the same pair in it.
    pub fn wait_timeout<'a, T: Shared>(
        &self,
        guard: Guard<'a, T>,
        limit: Duration,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        self.wait_until(guard, deadline_ns(limit), |_value, notified| notified)
    }

    /// Waits until `holds` is true of the value: looks first, and again whenever notified.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait); whether `holds` is true then is not said.
    pub fn wait_for<'a, T: Shared>(
        &self,
        guard: Guard<'a, T>,
        mut holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<Guard<'a, T>> {
        only_guard(self.wait_until(guard, None, |value, _notified| holds(value)))
    }

    /// [`wait_for`](Condition::wait_for), but not longer than `limit`. With the guard comes what
    /// `holds` said last: false if time is over.
    ///
    /// # Errors
    /// As [`wait_for`](Condition::wait_for), with `false`.
    pub fn wait_for_timeout<'a, T: Shared>(
        &self,
        guard: Guard<'a, T>,
        limit: Duration,
        mut holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        self.wait_until(guard, deadline_ns(limit), |value, _notified| holds(value))
            .map_err(|poisoned| PoisonError::new((poisoned.into_inner().0, false)))
    }

    /// The one way to wait: until `over`, which gets the value and whether there was a
    /// notification, is true, or until `deadline_ns`.
    fn wait_until<'a, T: Shared>(
        &self,
        mut guard: Guard<'a, T>,
        deadline_ns: Option<u64>,
        mut over: impl FnMut(&mut T, bool) -> bool,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        let mut noted = self.monitor.epoch();
        let mut notified = false;
        while !over(&mut guard, notified) {
            if deadline_ns.is_some_and(|at_ns| clock::left(at_ns).is_none()) {
                return Ok((guard, false));
            }
            let look_ns = clock::after_ns(LOOK_AGAIN).min(deadline_ns.unwrap_or(u64::MAX));
            let locked = guard.aside(|| {
                self.monitor.sleep(noted, Some(look_ns));
            });
            let now = self.monitor.epoch();
            notified = now != noted;
            noted = now;
            match locked {
                Ok(again) => guard = again,
                Err(poisoned) => return Err(PoisonError::new((poisoned.into_inner(), notified))),
            }
        }
        Ok((guard, true))
    }

    /// Wakes at least one process that waits, if one does. At present all of them: were it only
    /// one, and that one killed before it runs, the others would sleep on what was meant for it.
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes at least `n` processes that wait, or all if there are fewer; see
    /// [`notify_one`](Condition::notify_one).
    pub fn notify(&self, n: usize) {
        if n > 0 {
            self.notify_all();
        }
    }

    /// Wakes everyone who waits.
    pub fn notify_all(&self) {
        self.monitor.ring(1);
    }
}

/// A result of a wait without a limit.
fn only_guard<G>(result: LockResult<(G, bool)>) -> LockResult<G> {
    match result {
        Ok((guard, _over)) => Ok(guard),
        Err(poisoned) => Err(PoisonError::new(poisoned.into_inner().0)),
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.monitor.serialize(serializer)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { monitor: Monitor::deserialize(Kind::Condition, deserializer)? })
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("notifications", &self.monitor.epoch())
            .finish_non_exhaustive()
    }
}
