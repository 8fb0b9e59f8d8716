//! Callbacks at a later time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{after, now};
use crate::current;
use crate::task::{Spawn, Task};
use crate::timers::TimerId;

/// Runs a closure after a duration, as a task of its own, in the class of the calling task.
///
/// Closures with the same deadline run in the order in which they were given. A duration of zero means
/// the next turn, after descriptors have been looked at; while time is taken after each poll, which is so once two
/// classes of a rank, or one with a guarantee or deadlines, have had a task, it means after this poll, and descriptors
/// are looked at every 64 polls at least.
///
/// # Panics
///
/// Outside a reactor. A panic of `f` is kept from the loop and counted in
/// [`Stats::panics`](crate::Stats::panics).
#[track_caller]
pub fn call_later(delay: Duration, f: impl FnOnce() + 'static) -> Timer {
    call_at(after(now(), delay), f)
}

/// As [`call_later`], at a point in time.
///
/// # Panics
///
/// As [`call_later`].
#[track_caller]
pub fn call_at(deadline: Instant, f: impl FnOnce() + 'static) -> Timer {
    let engine = current::engine();
    let task = Task::spawn_asleep(engine, Spawn::new(), Once { f: Some(f) });
    let id = task.slot().map(|slot| task.engine().start_timer_of(slot, deadline));
    Timer { task: Some(task), id, deadline }
}

/// A closure that waits for its time. Dropping this does not cancel it.
///
/// It runs in the class in which it was made, and is looked at as urgently, whoever moves it.
#[derive(Debug)]
pub struct Timer {
    /// The task that runs the closure; taken when it is cancelled or detached.
    task: Option<Task<()>>,
    /// What wakes the task.
    id: Option<TimerId>,
    deadline: Instant,
}

impl Timer {
    /// Cancels the closure. True if it had not started and never will.
    ///
    /// The closure itself is dropped when the task's turn comes.
    pub fn cancel(mut self) -> bool {
        let active = self.is_active();
        if let Some(task) = self.task.take() {
            if let Some(id) = self.id {
                task.engine().stop_timer(id);
            }
            drop(task);
        }
        active
    }

    /// Has the closure run so long from now instead. False if it has started, was cancelled, or its
    /// reactor has ended: then nothing changes.
    pub fn reset(&mut self, delay: Duration) -> bool {
        self.reset_at(after(now(), delay))
    }

    /// Has the closure run so much later than it was to. False as from [`reset`](Self::reset).
    pub fn delay(&mut self, by: Duration) -> bool {
        self.reset_at(after(self.deadline, by))
    }

    /// Has the closure run at another point in time; among those with the same deadline it comes last.
    /// False as from [`reset`](Self::reset).
    pub fn reset_at(&mut self, deadline: Instant) -> bool {
        let Some(task) = self.task.as_ref().filter(|task| task.is_waiting()) else { return false };
        let (engine, Some(slot)) = (task.engine(), task.slot()) else { return false };
        if let Some(id) = self.id.take() {
            engine.stop_timer(id);
        }
        // It may be due already and wait for its turn.
        engine.tasks.dequeue(slot);
        self.id = Some(engine.start_timer_of(slot, deadline));
        self.deadline = deadline;
        true
    }

    /// Whether the closure is still to run. Not while it does.
    pub fn is_active(&self) -> bool {
        self.task.as_ref().is_some_and(Task::is_waiting)
    }

    /// When it is to run.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

/// Runs a closure when polled. Only the timer has the waker of its task.
struct Once<F> {
    f: Option<F>,
}

impl<F> Unpin for Once<F> {}

impl<F: FnOnce()> Future for Once<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if let Some(f) = self.f.take() {
            f();
        }
        Poll::Ready(())
    }
}
