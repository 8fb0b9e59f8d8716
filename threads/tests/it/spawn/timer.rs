//! Timers.

use crate::support::{Bomb, Counted, LIMIT, in_time, until};
use std::io::ErrorKind::InvalidInput;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use threads::Timer;

/// A time that is soon over.
const SOON: Duration = Duration::from_millis(2);

fn count_one(count: &AtomicUsize) {
    count.fetch_add(1, SeqCst);
}

#[test]
fn it_calls_once_and_not_early() {
    in_time(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let start = Instant::now();
        let timer = Timer::after(SOON, move || count_one(&count)).unwrap();
        timer.wait();
        assert!(start.elapsed() >= SOON);
        assert!(timer.is_finished() && !timer.cancel());
        assert_eq!((calls.load(SeqCst), Arc::strong_count(&calls)), (1, 1), "it was dropped");
    });
}

/// Also of timers that are all due before their thread begins.
#[test]
fn the_order_is_that_of_the_times() {
    in_time(|| {
        loop {
            let (send, receive) = mpsc::channel();
            let start = Instant::now();
            let timers = [30, 10, 20].map(|delay_ms| {
                let send = send.clone();
                let call = move || send.send(delay_ms).unwrap();
                Timer::after(Duration::from_millis(delay_ms), call).unwrap()
            });
            // A time counts from when its timer is made. On a busy machine, to make three may take
            // longer than what lies between their times.
            let is_certain = start.elapsed() < Duration::from_millis(10);
            let order = [(); 3].map(|()| receive.recv_timeout(LIMIT).unwrap());
            assert!(timers.iter().all(|timer| timer.wait_timeout(LIMIT)));
            if is_certain {
                return assert_eq!(order, [10, 20, 30]);
            }
        }
    });
}

#[test]
fn a_cancelled_one_is_dropped_at_once_and_never_called() {
    let drops = Arc::new(AtomicUsize::new(0));
    for delay in [LIMIT, Duration::MAX] {
        for by_drop in [false, true] {
            let counted = Counted(Arc::clone(&drops));
            let before = drops.load(SeqCst);
            let timer = Timer::after(delay, move || drop(counted)).unwrap();
            assert!(!timer.wait_timeout(SOON));
            if by_drop {
                drop(timer);
            } else {
                assert!(timer.cancel() && !timer.cancel());
                assert!(timer.wait_timeout(Duration::ZERO));
            }
            assert_eq!(drops.load(SeqCst), before + 1);
        }
    }
}

#[test]
fn again_and_again_until_cancelled() {
    in_time(|| {
        assert_eq!(Timer::every(Duration::ZERO, || ()).unwrap_err().kind(), InvalidInput);
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let timer = Timer::every(Duration::from_micros(200), move || count_one(&count));
        let timer = timer.unwrap();
        until("it was called some times", || calls.load(SeqCst) >= 5);
        assert!(timer.cancel());
        timer.wait();
        let total = calls.load(SeqCst);
        assert_eq!(Arc::strong_count(&calls), 1, "it was dropped");
        // Whatever comes later would be seen by now.
        Timer::after(SOON, || ()).unwrap().wait();
        assert_eq!(calls.load(SeqCst), total);
    });
}

#[test]
fn panics_stay_inside_and_detached_ones_go_on() {
    in_time(|| {
        let (send, receive) = mpsc::channel();
        let panics = Timer::every(SOON, || panic!("once")).unwrap();
        let bomb = Bomb;
        let bombs = Timer::after(SOON, move || drop(bomb)).unwrap();
        let cancelled = Bomb;
        assert!(Timer::after(LIMIT, move || drop(cancelled)).unwrap().cancel());
        panics.wait();
        bombs.wait();
        Timer::after(SOON, move || send.send(1).unwrap()).unwrap().detach();
        assert_eq!(receive.recv_timeout(LIMIT), Ok(1));
    });
}

/// Cancelling from the call itself, and starting another timer there.
#[test]
fn calls_may_use_timers() {
    in_time(|| {
        let (send, receive) = mpsc::channel::<Timer>();
        let (tell, told) = mpsc::channel();
        let timer = Timer::every(SOON, move || {
            let this = receive.recv().unwrap();
            assert!(this.cancel());
            let tell = tell.clone();
            Timer::after(SOON, move || tell.send(()).unwrap()).unwrap().detach();
        });
        send.send(timer.unwrap()).unwrap();
        told.recv_timeout(LIMIT).unwrap();
        assert!(told.recv_timeout(LIMIT).is_err(), "it was called once, and dropped");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_thread_ends_when_it_is_not_needed() {
    // Timers of other tests keep it there.
    crate::support::in_own_process("spawn::timer::the_thread_ends_when_it_is_not_needed", || {
        assert!(Timer::after(SOON, || ()).unwrap().wait_timeout(LIMIT));
        drop(Timer::after(LIMIT, || ()).unwrap());
        until("it ended", || crate::leaks::count("threads-timer") == 0);
    });
}

/// What a call panics with is a value of the user, whose drop may panic, too: that ends
/// neither the thread nor the wait for that timer.
#[test]
fn a_bomb_as_the_payload_stays_inside() {
    in_time(|| {
        let bomb = Timer::after(SOON, || std::panic::panic_any(Bomb)).unwrap();
        assert!(bomb.wait_timeout(LIMIT / 2), "it is over");
        assert!(Timer::after(SOON, || ()).unwrap().wait_timeout(LIMIT / 2), "the thread lives");
    });
}

/// Whoever waits for a timer that another thread cancels may count on its closure being gone.
#[test]
fn a_cancelled_one_is_over_when_its_closure_is_dropped() {
    /// Tells that it is being dropped, and waits for the word to go on.
    struct Slow(mpsc::Sender<()>, mpsc::Receiver<()>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            let _ = self.1.recv_timeout(LIMIT); // The sender may be dropped instead.
        }
    }
    in_time(|| {
        let (tell, dropping) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let slow = Slow(tell, gate);
        let timer = Timer::after(LIMIT, move || drop(slow)).unwrap();
        std::thread::scope(|scope| {
            let cancel = scope.spawn(|| timer.cancel());
            dropping.recv_timeout(LIMIT).unwrap();
            let (early, again) = (timer.is_finished(), timer.cancel());
            drop(open);
            assert!(cancel.join().unwrap());
            assert_eq!((early, again), (false, false));
        });
        assert!(timer.is_finished());
    });
}

/// It would be for ever.
#[test]
fn a_call_cannot_wait_for_its_own_timer() {
    in_time(|| {
        let (send, receive) = mpsc::channel::<Arc<Timer>>();
        let call = move || receive.recv().unwrap().wait();
        let timer = Arc::new(Timer::after(SOON, call).unwrap());
        send.send(Arc::clone(&timer)).unwrap();
        assert!(timer.wait_timeout(LIMIT / 2), "the call has panicked instead");
    });
}
