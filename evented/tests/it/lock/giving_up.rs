//! Who waits may give up at any moment, told or not: nobody who is left waits in vain, and nothing is lost.
//!
//! Futures are polled by hand, as an executor would: when they were woken, and now and then when they were not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use evented::CancelToken;
use evented::sync::{Event, Mutex, Notify, Semaphore, mpsc, watch};

use crate::support::rounds;

/// Set by a wake.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A future that waits.
struct Waiter<F> {
    future: Pin<Box<F>>,
    woken: Arc<Flag>,
}

/// Those that wait, in any order, and what others have got.
struct Crowd<F: Future> {
    waiting: Vec<Waiter<F>>,
    got: Vec<F::Output>,
}

impl<F: Future> Crowd<F> {
    fn poll(&mut self, place: usize) {
        let Waiter { future, woken } = &mut self.waiting[place];
        woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(woken));
        if let Poll::Ready(got) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.got.push(got);
            drop(self.waiting.swap_remove(place));
        }
    }

    fn begin(&mut self, future: F) {
        let woken = Arc::new(Flag(AtomicBool::new(false)));
        self.waiting.push(Waiter { future: Box::pin(future), woken });
        self.poll(self.waiting.len() - 1);
    }

    /// One that was woken; which of them is a matter of the places.
    fn woken(&self) -> Option<usize> {
        self.waiting.iter().position(|waiter| waiter.woken.0.load(Ordering::Relaxed))
    }
}

/// Marsaglia's xorshift64.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

/// Many trials of this kind: futures begin, are polled, and are dropped, and something is `released`, which
/// tells whether there was something; `may_drop` tells whether one more may be dropped. In the end all that
/// are left get what they want.
fn trials<F: Future>(mut trial: impl FnMut(&mut dyn FnMut(&dyn Fn() -> F, &mut Release<'_, F>))) {
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..rounds(3_000, 200_000) {
        trial(&mut |begin, release| {
            let mut crowd = Crowd { waiting: Vec::new(), got: Vec::new() };
            for _ in 0..60 {
                let some = next(&mut state);
                let place = (!crowd.waiting.is_empty()).then(|| some / 8 % crowd.waiting.len());
                match (some % 8, place) {
                    (0 | 1, _) => crowd.begin(begin()),
                    (2 | 3, _) => {
                        if let Some(place) = crowd.woken() {
                            crowd.poll(place);
                        }
                    }
                    (4, Some(place)) => crowd.poll(place),
                    (5, Some(place)) if release(&mut crowd, Act::MayDrop) => {
                        drop(crowd.waiting.swap_remove(place));
                    }
                    (6 | 7, _) => drop(release(&mut crowd, Act::Release)),
                    _ => {}
                }
            }
            loop {
                if let Some(place) = crowd.woken() {
                    crowd.poll(place);
                } else if !release(&mut crowd, Act::Release) {
                    break;
                }
            }
            assert!(crowd.waiting.is_empty(), "{} wait in vain", crowd.waiting.len());
        });
    }
}

/// What is asked of a release.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Give something to those who wait. True if there was something.
    Release,
    /// Say whether one of them may be dropped.
    MayDrop,
}

type Release<'a, F> = dyn FnMut(&mut Crowd<F>, Act) -> bool + 'a;

/// What they get is given back in any order.
fn give_back<F: Future>(crowd: &mut Crowd<F>, act: Act) -> bool {
    act == Act::MayDrop || (!crowd.got.is_empty()).then(|| drop(crowd.got.swap_remove(0))).is_some()
}

#[test]
fn permits() {
    trials(|run| {
        let limit = Semaphore::new(2);
        run(&|| limit.acquire(), &mut give_back);
        assert_eq!(limit.available(), 2);
    });
}

#[test]
fn locks() {
    trials(|run| {
        let lock = Mutex::new(());
        run(&|| lock.lock(), &mut give_back);
        assert!(lock.try_lock().is_some());
    });
}

#[test]
fn places_in_a_channel() {
    let (sender, mut receiver) = mpsc::bounded(2);
    trials(|run| {
        let (mut came, mut sent) = (0, 0);
        run(&|| sender.send(7), &mut |crowd, act| {
            sent += crowd.got.drain(..).map(Result::unwrap).count();
            act == Act::MayDrop || receiver.try_recv().inspect(|_| came += 1).is_ok()
        });
        assert_eq!(came, sent);
    });
}

/// As many come through as were told, and no more.
#[test]
fn notifications() {
    trials(|run| {
        let notify = Notify::new();
        let (mut told, mut done) = (0, 0);
        run(&|| notify.notified(), &mut |crowd, act| {
            done += crowd.got.drain(..).count();
            let is_one_more = crowd.waiting.len() > told - done;
            if is_one_more && act == Act::Release {
                notify.notify_one();
                told += 1;
            }
            is_one_more
        });
        assert_eq!(told, done);
    });
}

/// Who gives up takes its waker along.
#[test]
fn nothing_is_left_of_a_wait_that_is_given_up() {
    fn give_up(what: &str, future: impl Future) {
        let woken = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut future = Box::pin(future);
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "{what}");
        drop(waker);
        assert_eq!(Arc::strong_count(&woken), 2, "{what}: nobody would wake it");
        drop(future);
        assert_eq!(Arc::strong_count(&woken), 1, "{what}: its waker is left");
    }
    let limit = Semaphore::new(0);
    give_up("permit", limit.acquire());
    let lock = Mutex::new(());
    let _guard = lock.try_lock().unwrap();
    give_up("lock", lock.lock());
    let (notify, event, token) = (Notify::new(), Event::new(), CancelToken::new());
    give_up("notification", notify.notified());
    give_up("event", event.wait());
    give_up("cancellation", token.cancelled());
    let (sender, mut receiver) = watch::channel(0);
    give_up("change", receiver.changed());
    give_up("end of the receivers", sender.closed());
    let (sender, _receiver) = mpsc::bounded(1);
    sender.try_send(1).unwrap();
    give_up("room in a channel", sender.send(2));
}
