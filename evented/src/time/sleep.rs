//! Waiting for a point in time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{after, now};
use crate::current;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::record::WaitsFor;
use crate::timers::TimerId;

/// Waits for a duration, counted from this call. [`Duration::MAX`] waits for ever, also in virtual time;
/// what is longer than a hundred years otherwise counts as a hundred years.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { is_endless: duration == Duration::MAX, ..sleep_until(after(now(), duration)) }
}

/// Waits until `deadline`. Ready at once if that is past.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, is_endless: false, timer: None }
}

/// Future of [`sleep`] and [`sleep_until`].
///
/// Never ready before its deadline. Sleeps with different deadlines wake in the order of those; with
/// the same deadline in the order in which they were first polled.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    /// Something far away, if there is none.
    deadline: Instant,
    /// It has no end.
    is_endless: bool,
    /// The timer and the reactor that keeps it, from the first poll on.
    timer: Option<(Handle, TimerId)>,
}

impl Sleep {
    /// When it ends; a hundred years away for one that never does.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Makes it end at another time.
    pub fn reset(&mut self, deadline: Instant) {
        self.stop();
        (self.deadline, self.is_endless) = (deadline, false);
    }

    /// Whether the deadline has passed.
    pub fn is_elapsed(&self) -> bool {
        !self.is_endless && now() >= self.deadline
    }

    fn stop(&mut self) {
        let Some((handle, id)) = self.timer.take() else { return };
        let is_stopped = current::with(|engine| {
            let own = engine.filter(|engine| engine.id() == handle.id());
            own.is_some_and(|engine| {
                engine.stop_timer(id);
                true
            })
        });
        if !is_stopped {
            // On another thread. If the reactor is gone, so is the timer.
            let _ = handle.call(move || {
                if let Some(engine) = current::try_engine() {
                    engine.stop_timer(id);
                }
            });
        }
    }
}

impl Future for Sleep {
    type Output = ();

    /// # Panics
    ///
    /// Outside a reactor.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        current::with_engine(|engine| self.poll_in(engine, cx))
    }
}

impl Sleep {
    /// The same in this reactor, which runs on this thread.
    #[inline]
    fn poll_in(&mut self, engine: &Engine, cx: &Context<'_>) -> Poll<()> {
        if self.is_endless {
            // No timer: virtual time would jump to it.
            engine.waits_for(WaitsFor::Timer);
            return Poll::Pending;
        }
        if let Some((handle, id)) = self.timer
            && handle.id() == engine.id()
        {
            let mut timers = engine.timers.borrow_mut();
            match timers.waiter(id) {
                Some((waker, _)) if waker.will_wake(cx.waker()) => {
                    timers.set_rank(id, engine.running_rank());
                    engine.waits_for(WaitsFor::Timer);
                    return Poll::Pending;
                }
                Some(_) => {}
                None => {
                    self.timer = None;
                    return Poll::Ready(());
                }
            }
        }
        // The first poll, or the first by this waker or reactor.
        self.stop();
        // Without operations left, a timer ends a sleep that is over, in the next turn. That end needs
        // no operation: a `Timeout` has to end although its future uses up all of them in each poll.
        if engine.now() >= self.deadline && engine.take_operation() {
            return Poll::Ready(());
        }
        let id = engine.start_timer(self.deadline, cx.waker().clone());
        self.timer = Some((Handle::new(engine), id));
        engine.waits_for(WaitsFor::Timer);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.stop();
    }
}
