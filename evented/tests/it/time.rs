//! Sleeping, timeouts, intervals, timers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::AsyncWriteExt;

use evented::{
    MissedTick, Reactor, advance, block_on, blocking, call_at, call_later, interval, join_all, now,
    sleep, sleep_until, spawn, timeout,
};

use crate::support::{bounded, poll_once, until};

#[test]
fn ten_thousand_sleeps_at_once() {
    block_on(bounded(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..10_000_u64)
            .map(|n| {
                spawn(async move {
                    let duration = Duration::from_micros(n * 7919 % 20_000);
                    sleep(duration).await;
                    assert!(start.elapsed() >= duration);
                })
            })
            .collect();
        for result in join_all(tasks).await {
            result.unwrap();
        }
        assert_eq!(evented::stats().timers, 1, "only the bound of this test is left");
    }));
}

#[test]
fn timers_fire_in_the_order_of_deadline_and_insertion() {
    block_on(bounded(async {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let base = Instant::now() + Duration::from_millis(2);
        for (n, offset) in [30_u64, 10, 20, 10, 0, 30, 0].into_iter().enumerate() {
            let fired = Rc::clone(&fired);
            let deadline = base + Duration::from_micros(offset);
            call_at(deadline, move || fired.borrow_mut().push(n));
        }
        until(|| fired.borrow().len() == 7).await;
        assert_eq!(*fired.borrow(), [4, 6, 1, 3, 2, 0, 5]);
    }));
}

#[test]
fn a_past_deadline_goes_before_a_later_one_that_is_due_too() {
    block_on(bounded(async {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let now = Instant::now();
        let past = now.checked_sub(Duration::from_millis(5)).unwrap();
        for (name, deadline) in [("second", now), ("first", past)] {
            let fired = Rc::clone(&fired);
            call_at(deadline, move || fired.borrow_mut().push(name));
        }
        until(|| fired.borrow().len() == 2).await;
        assert_eq!(*fired.borrow(), ["first", "second"]);
    }));
}

#[test]
fn a_cancelled_timer_never_runs_and_drops_its_closure() {
    block_on(bounded(async {
        let token = Rc::new(());
        let inside = Rc::clone(&token);
        let timer = call_later(Duration::from_hours(1), move || drop(inside));
        assert!(timer.is_active());
        assert!(timer.cancel());
        until(|| Rc::strong_count(&token) == 1).await;
        let ran = Rc::new(Cell::new(false));
        let flag = Rc::clone(&ran);
        let timer = call_later(Duration::ZERO, move || flag.set(true));
        until(|| ran.get()).await;
        assert!(!timer.is_active());
        assert!(!timer.cancel());
        until(|| evented::stats().tasks == 0).await;
        assert_eq!(evented::stats().timers, 1, "only the bound of this test is left");
    }));
}

#[test]
fn call_later_zero_in_a_loop_starves_nothing() {
    fn again(stop: Rc<Cell<bool>>) {
        if !stop.get() {
            call_later(Duration::ZERO, move || again(stop));
        }
    }
    block_on(bounded(async {
        let stop = Rc::new(Cell::new(false));
        again(Rc::clone(&stop));
        // Descriptors: the connection is made while the loop spins.
        let (_client, _server) = crate::support::pair().await.unwrap();
        // Timers.
        sleep(Duration::from_millis(2)).await;
        stop.set(true);
        until(|| evented::stats().tasks == 0).await;
    }));
}

#[test]
fn a_sleep_of_zero_in_a_loop_starves_nothing() {
    block_on(bounded(async {
        let task = spawn(async {
            loop {
                sleep(Duration::ZERO).await;
            }
        });
        sleep(Duration::from_millis(2)).await;
        assert!(task.cancel().await.is_err());
    }));
}

#[test]
fn far_and_endless_durations() {
    block_on(bounded(async {
        assert!(timeout(Duration::from_millis(1), sleep(Duration::MAX)).await.is_err());
        let far = sleep_until(Instant::now() + Duration::from_hours(24 * 365));
        assert!(timeout(Duration::from_millis(1), far).await.is_err());
        assert_eq!(timeout(Duration::MAX, async { 5 }).await, Ok(5));
        assert_eq!(timeout(Duration::ZERO, async { 5 }).await, Ok(5), "ready is never late");
    }));
}

#[test]
fn a_dropped_sleep_leaves_no_timer() {
    block_on(async {
        let mut sleep = sleep(Duration::from_hours(1));
        assert!(poll_once(&mut sleep).is_pending());
        assert_eq!(evented::stats().timers, 1);
        drop(sleep);
        assert_eq!(evented::stats().timers, 0);
    });
}

#[test]
fn a_sleep_dropped_on_another_thread_leaves_no_timer() {
    block_on(async {
        let mut sleep = sleep(Duration::from_hours(1));
        assert!(poll_once(&mut sleep).is_pending());
        std::thread::spawn(move || drop(sleep)).join().unwrap();
        let start = Instant::now();
        while evented::stats().timers > 0 {
            assert!(start.elapsed() < crate::support::BOUND, "the timer stays");
            evented::yield_now().await;
        }
    });
}

#[test]
fn a_sleep_that_is_reset() {
    block_on(bounded(async {
        let mut sleep = sleep(Duration::from_hours(1));
        assert!(poll_once(&mut sleep).is_pending());
        let deadline = Instant::now() + Duration::from_millis(2);
        sleep.reset(deadline);
        sleep.await;
        assert!(Instant::now() >= deadline);
    }));
}

#[test]
fn intervals_and_missed_ticks() {
    const PERIOD: Duration = Duration::from_millis(4);
    block_on(bounded(async {
        for policy in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
            let mut ticks = interval(PERIOD).missed_tick(policy);
            let first = ticks.tick().await;
            // Misses the ticks at 4, 8 and 12 ms.
            sleep_until(first + PERIOD * 7 / 2).await;
            let second = ticks.tick().await;
            let given = Instant::now();
            let third = ticks.tick().await;
            assert_eq!(second, first + PERIOD, "{policy:?}");
            match policy {
                MissedTick::Burst => assert_eq!(third, second + PERIOD),
                MissedTick::Delay => {
                    assert!(third >= first + PERIOD * 9 / 2 && third <= given + PERIOD);
                }
                MissedTick::Skip => {
                    let late = (third - first).as_nanos();
                    assert_eq!(late % PERIOD.as_nanos(), 0, "it keeps the rhythm");
                    assert!(third >= first + PERIOD * 4);
                }
            }
        }
    }));
}

#[test]
fn a_tick_that_was_given_up_is_not_lost() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let mut ticks = interval(Duration::from_millis(3));
        let first = ticks.tick().await;
        assert!(timeout(Duration::from_micros(10), ticks.tick()).await.is_err());
        assert_eq!(now() - first, Duration::from_micros(10));
        assert_eq!(ticks.tick().await, first + Duration::from_millis(3));
        assert_eq!(now() - first, Duration::from_millis(3));
    });
}

#[test]
#[should_panic(expected = "a period that is not zero")]
fn an_interval_of_zero() {
    let _ticks = interval(Duration::ZERO);
}

#[test]
fn a_timeout_ends_a_future_that_uses_up_its_budget() {
    block_on(bounded(async {
        for limit in [Duration::ZERO, Duration::from_millis(1)] {
            let (client, server) = crate::support::pair().await.unwrap();
            (&client).write_all(b"x").await.unwrap();
            let greedy = async {
                loop {
                    // Always ready: every poll of this future does all that a poll may do.
                    server.peek(&mut [0]).await.unwrap();
                }
            };
            let result: Result<(), _> = timeout(limit, greedy).await;
            assert!(result.is_err());
        }
    }));
}

#[test]
fn time_limits_of_zero_in_a_loop_starve_nothing() {
    block_on(bounded(async {
        let task = spawn(async {
            loop {
                timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(task.cancel().await.is_err());
    }));
}

/// The last point in time that the clock's type can name.
fn latest_instant() -> Instant {
    let mut last = Instant::now();
    for step in (0..64).rev().map(|bit| Duration::new(1 << bit, 999_999_999)) {
        last = last.checked_add(step).unwrap_or(last);
    }
    last
}

#[test]
fn the_longest_durations_there_are() {
    block_on(bounded(async {
        let mut ticks = interval(Duration::MAX);
        ticks.tick().await;
        assert!(poll_once(&mut Box::pin(ticks.tick())).is_pending());
        let last = latest_instant();
        assert!(poll_once(&mut sleep_until(last)).is_pending());
        let mut never = evented::interval_at(last, Duration::MAX);
        assert!(poll_once(&mut Box::pin(never.tick())).is_pending());
        assert!(call_at(last, || unreachable!("nor in any other")).cancel());
        assert_eq!(evented::timeout_at(last, async { 5 }).await, Ok(5));
        assert!(call_later(Duration::MAX, || unreachable!("not in this life")).cancel());
        assert_eq!(timeout(Duration::MAX, sleep(Duration::from_micros(1))).await, Ok(()));
        until(|| evented::stats().tasks == 0).await;
    }));
}

#[test]
fn a_timer_knows_in_its_own_callback_that_it_has_started() {
    block_on(bounded(async {
        let own = Rc::new(RefCell::new(None::<evented::Timer>));
        let seen = Rc::new(Cell::new(None));
        let (timer, result) = (Rc::clone(&own), Rc::clone(&seen));
        *own.borrow_mut() = Some(call_later(Duration::ZERO, move || {
            let timer = timer.take().unwrap();
            result.set(Some((timer.is_active(), timer.cancel())));
        }));
        until(|| seen.get().is_some()).await;
        assert_eq!(seen.get(), Some((false, false)), "it is too late to cancel");
        until(|| evented::stats().tasks == 0).await;
    }));
}

#[test]
fn a_timer_that_has_fired_is_cancelled_before_its_closure_starts() {
    block_on(bounded(async {
        let ran = Rc::new(Cell::new(false));
        let timer = Rc::new(RefCell::new(None::<evented::Timer>));
        let deadline = Instant::now();
        let (other, flag) = (Rc::clone(&timer), Rc::clone(&ran));
        // Both fire in the same turn; the first cancels the second.
        drop(call_at(deadline, move || assert!(other.take().unwrap().cancel())));
        *timer.borrow_mut() = Some(call_at(deadline, move || flag.set(true)));
        until(|| evented::stats().tasks == 0).await;
        assert!(!ran.get());
        assert_eq!(evented::stats().panics, 0);
    }));
}

#[test]
fn an_idle_reactor_does_not_spin() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(sleep(Duration::from_micros(20_500)));
    let stats = reactor.stats();
    // One long sleep and its tail, with room for early returns.
    assert!(stats.waits <= 6, "{stats:?}");
}

#[test]
fn what_has_no_limit_waits_for_other_threads_in_virtual_time_too() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let start = now();
        let mut endless = sleep(Duration::MAX);
        assert!(poll_once(&mut endless).is_pending() && !endless.is_elapsed());
        let answer = timeout(Duration::MAX, blocking(|| 7)).await;
        assert_eq!(answer.expect("there is no limit").unwrap(), 7);
        assert_eq!((now() - start, evented::stats().timers), (Duration::ZERO, 0));
        endless.reset(now() + Duration::from_secs(3));
        endless.await;
        assert_eq!(now() - start, Duration::from_secs(3));
    });
}

#[test]
#[should_panic(expected = "advance it by less")]
fn time_goes_no_further_than_the_clock() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async { advance(Duration::MAX) });
}

/// Each comes to its time from as far away as timers may be, and in the order of the deadlines.
#[test]
fn sleeps_of_up_to_seventy_years_end_when_they_should() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let start = now();
        let ended = Rc::new(RefCell::new(Vec::new()));
        // 2^51 microseconds are 71 years. Those in between come from another list of the wheel.
        let mut wanted: Vec<_> = (0..=51)
            .flat_map(|power| [1_u64 << power, (1 << power) + (1 << power >> 3) + 1])
            .map(Duration::from_micros)
            .collect();
        // The far ones first, and every third of them last.
        wanted.reverse();
        wanted.sort_by_key(|wanted| wanted.as_micros() % 3 == 0);
        let tasks: Vec<_> = wanted
            .iter()
            .map(|&duration| {
                let ended = Rc::clone(&ended);
                spawn(async move {
                    sleep(duration).await;
                    ended.borrow_mut().push(now() - start);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        wanted.sort_unstable();
        assert_eq!(*ended.borrow(), wanted);
    });
}
