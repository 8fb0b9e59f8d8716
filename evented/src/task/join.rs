//! The handle of a task.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{JoinError, Spawn};
use crate::class::Class;
use crate::current;
use crate::engine::Engine;
use crate::name::Name;
use crate::record::{TaskId, WaitsFor};
use crate::tasks::State;

/// A spawned future. Await it for the result.
///
/// **Dropping it cancels the task**; [`detach`](Self::detach) lets the task go on alone. A cancelled
/// future is dropped when the task's turn comes, not on the spot.
///
/// Await it in its own reactor; elsewhere only once it has finished. While a task awaits it, it runs at
/// least as urgently as that one: in the class of the most urgent of those who wait for it, for one
/// another or for a lock or channel that it has to do with (*priority inheritance*).
#[must_use = "dropping a `Task` cancels it: await it, keep it or call `detach`"]
pub struct Task<T> {
    /// Keeps the slot readable, even after the reactor was dropped.
    engine: Rc<Engine>,
    /// The slot, pinned by this handle. None once the result was taken or the task detached.
    slot: Option<u32>,
    /// The slot holds a `T`. Results do not leave the thread.
    result: PhantomData<(T, *const ())>,
}

/// What is wrong when a task is awaited on the thread of its reactor, but not in it.
pub(crate) const STANDS_STILL: &str = "the task belongs to another reactor of this thread, which does \
    not run meanwhile, so it would never be ready: await it inside that reactor";

/// Spawns a task on the current reactor. It starts in a later poll, never at once.
///
/// # Panics
///
/// Outside a reactor, and when the reactor holds 16,777,151 tasks.
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_with(Spawn::new(), future)
}

/// As [`spawn`], with a name or a class.
///
/// # Panics
///
/// As [`spawn`].
#[track_caller]
pub fn spawn_with<F>(options: Spawn, future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Task::spawn(current::engine(), options, future)
}

/// Gives the task that calls this another [deadline](Spawn::deadline), for the next thing it does:
/// so long from now, or none. The one before counts as missed if it is over. Call it when a thing is
/// done and before waiting for the next one, so that the next one's place in the queue is right from
/// the moment on when the task is ready again:
///
/// ```
/// use std::time::Duration;
/// use evented::{ClassSpec, Order, Reactor, Spawn, now, set_deadline, sleep_until};
///
/// const PERIOD: Duration = Duration::from_millis(2);
///
/// let reactor = Reactor::builder().virtual_time().build()?;
/// let frames = reactor.add_class(ClassSpec::new("frames").order(Order::Deadline))?;
/// let first = Spawn::new().class(frames).deadline(PERIOD);
/// let task = reactor.spawn_with(first, async {
///     let mut release = now();
///     for _ in 0..10 {
///         // ... the work of one period ...
///         release += PERIOD;
///         set_deadline(Some(release + PERIOD - now()));
///         sleep_until(release).await;
///     }
/// });
/// reactor.block_on(task).expect("it returns");
/// assert_eq!(reactor.class_stats(frames).missed_deadlines, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// Outside a task, and outside of a future that is being polled by
/// [`Reactor::block_on`](crate::Reactor::block_on).
#[track_caller]
pub fn set_deadline(after: Option<Duration>) {
    let engine = current::engine();
    let deadline = after.and_then(|after| engine.now().checked_add(after));
    assert!(engine.set_deadline(deadline), "no task is being polled: call this inside of one");
}

impl<T: 'static> Task<T> {
    #[track_caller]
    pub(crate) fn spawn<F>(engine: Rc<Engine>, options: Spawn, future: F) -> Self
    where
        F: Future<Output = T> + 'static,
    {
        Self::spawn_at(Location::caller(), engine, options, future)
    }

    /// The same, for a caller that is known already.
    pub(crate) fn spawn_at<F>(
        location: &'static Location<'static>,
        engine: Rc<Engine>,
        options: Spawn,
        future: F,
    ) -> Self
    where
        F: Future<Output = T> + 'static,
    {
        let slot = engine.insert(options, location, future);
        let task = Self { engine, slot: Some(slot), result: PhantomData };
        if let Some(slot) = task.slot {
            task.engine.tasks.enqueue(slot);
        }
        task
    }

    /// A task that is not polled before somebody wakes it.
    #[track_caller]
    pub(crate) fn spawn_asleep<F>(engine: Rc<Engine>, options: Spawn, future: F) -> Self
    where
        F: Future<Output = T> + 'static,
    {
        let slot = engine.insert(options, Location::caller(), future);
        Self { engine, slot: Some(slot), result: PhantomData }
    }

    /// Cancels the task and waits until its future has been dropped. The result is that of the future
    /// if it finished first.
    ///
    /// # Errors
    ///
    /// [`JoinError::Cancelled`] as a rule; [`JoinError::Panicked`] if the future, or its drop, panicked.
    pub async fn cancel(self) -> Result<T, JoinError> {
        self.request_cancel();
        self.await
    }
}

impl<T> Task<T> {
    /// Lets the task run without a handle. Its result is dropped.
    pub fn detach(mut self) {
        self.let_go();
    }

    /// From here on this is the handle of no task, and dropping it does nothing.
    #[inline]
    pub(crate) fn let_go(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.engine.unpin(slot, false);
        }
    }

    /// Puts the task into another class. If it is ready, it goes to the end of the queue of that
    /// class (or to the place of its deadline). Tasks that it has spawned keep theirs.
    ///
    /// # Panics
    ///
    /// When the class was added to another reactor.
    #[track_caller]
    pub fn set_class(&self, class: Class) {
        if let Some(slot) = self.slot {
            self.engine.set_class(slot, class);
        }
    }

    /// The class of the task: its own, whether or not it runs as one of another class at present
    /// because an urgent task waits for it.
    pub fn class(&self) -> Class {
        let id = self.slot.map(|slot| self.engine.own(slot).0);
        id.map_or(Class::NORMAL, |id| self.engine.tasks.classes.class(id))
    }

    /// Its id in [dumps and records](crate::record).
    ///
    /// # Panics
    ///
    /// When the result was taken.
    pub fn id(&self) -> TaskId {
        let slot = self.slot.expect("a `Task` whose result was taken has no task");
        TaskId(self.engine.tasks.name(slot))
    }

    /// Whether the future has returned, panicked or been dropped.
    pub fn is_finished(&self) -> bool {
        self.slot.is_none_or(|slot| self.engine.tasks.slot(slot).state().has(State::DONE))
    }

    /// Whether the future exists and is not being polled right now.
    pub(crate) fn is_waiting(&self) -> bool {
        self.slot.is_some_and(|slot| {
            let state = self.engine.tasks.slot(slot).state();
            state.has(State::LIVE) && !state.has(State::RUNNING)
        })
    }

    pub(crate) fn request_cancel(&self) {
        if let Some(slot) = self.slot {
            self.engine.request_cancel(slot);
        }
    }

    /// # Panics
    ///
    /// When the task's reactor is not the one that runs: waiting for the task would never end.
    pub(crate) fn assert_reactor_runs(&self) {
        assert!(current::is_running(self.engine.id()), "{STANDS_STILL}");
    }

    /// The name, while there is a slot.
    pub(crate) fn name(&self) -> Option<Name> {
        self.slot.map(|slot| self.engine.tasks.name(slot))
    }

    /// The slot, for a timer that is to wake the task.
    pub(crate) fn slot(&self) -> Option<u32> {
        self.slot
    }

    pub(crate) fn engine(&self) -> &Rc<Engine> {
        &self.engine
    }
}

impl<T: 'static> Future for Task<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// When polled again after it was ready. By the task itself. Outside its reactor, in another one or in
    /// none, unless the task has finished: its reactor does not run then, so the task would never be ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.slot.expect("a `Task` is not polled again after it was ready");
        let slot = self.engine.tasks.slot(index);
        if slot.state().has(State::DONE) {
            let mut result = None;
            self.engine.take_result(index, &mut result);
            self.slot = None;
            return Poll::Ready(result.expect("a done task keeps its result for its handle"));
        }
        self.assert_reactor_runs();
        assert!(!slot.state().has(State::RUNNING), "a task that awaits itself never ends");
        let old = slot.joiner.take();
        let waker = match old {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        slot.joiner.set(Some(waker));
        self.engine.note_join(index, cx.waker());
        self.engine.waits_for(WaitsFor::Join(self.id()));
        Poll::Pending
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.engine.unpin(slot, true);
        }
    }
}

impl<T> Unpin for Task<T> {}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("slot", &self.slot)
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
