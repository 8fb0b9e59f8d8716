//! Wakers: from this thread, from others, stale ones, and after the reactor's end.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};

use evented::{Reactor, block_on, spawn, yield_now};

use crate::support::{
    bounded, in_own_process, rounds, until, until_blocking, woken_by_another_thread,
};

/// The memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Waits for ever and hands its waker out on the way.
async fn hand_out(place: Rc<Cell<Option<Waker>>>) {
    poll_fn(|cx| {
        place.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn a_clone_woken_the_same_task() {
    block_on(poll_fn(|cx| {
        let clone = cx.waker().clone();
        assert!(clone.will_wake(cx.waker()));
        Poll::Ready(())
    }));
}

#[test]
fn wakes_before_the_poll_are_one_poll() {
    block_on(bounded(async {
        let polls = Rc::new(Cell::new(0));
        let place = Rc::new(Cell::new(None::<Waker>));
        let (count, hand) = (Rc::clone(&polls), Rc::clone(&place));
        let _task = spawn(poll_fn(move |cx| {
            count.set(count.get() + 1);
            hand.set(Some(cx.waker().clone()));
            Poll::<()>::Pending
        }));
        yield_now().await;
        let waker = place.take().unwrap();
        for _ in 0..100 {
            waker.wake_by_ref();
        }
        yield_now().await;
        yield_now().await;
        assert_eq!(polls.get(), 2);
    }));
}

/// Spawns a task, which comes to the slot that is free, and wakes the one that was there before, from
/// here and from another thread.
async fn does_not_reach_the_next_task(stale: Waker) {
    let polls = Rc::new(Cell::new(0));
    let count = Rc::clone(&polls);
    let _next = spawn(poll_fn(move |cx| {
        count.set(count.get() + 1);
        let fresh = cx.waker().clone();
        std::mem::forget(fresh);
        Poll::<()>::Pending
    }));
    yield_now().await;
    let same_thread = stale.clone();
    same_thread.wake();
    std::thread::spawn(move || stale.wake()).join().unwrap();
    for _ in 0..200 {
        yield_now().await;
    }
    assert_eq!(polls.get(), 1, "the slot was used again, the name was not");
}

#[test]
fn a_stale_waker_does_not_reach_the_next_task_in_the_slot() {
    block_on(bounded(async {
        let place = Rc::new(Cell::new(None));
        let task = spawn(hand_out(Rc::clone(&place)));
        yield_now().await;
        let stale = place.take().unwrap();
        drop(task);
        until(|| evented::stats().tasks == 0).await;
        does_not_reach_the_next_task(stale).await;
    }));
}

#[test]
fn a_waker_after_its_reactor_and_under_the_next_one() {
    const NAME: &str = "wakeup::a_waker_after_its_reactor_and_under_the_next_one";
    // Nobody else has a reactor there, so the next one has the same place in the table.
    in_own_process(NAME, || {
        let place = Rc::new(Cell::new(None));
        let reactor = Reactor::new().unwrap();
        let task = reactor.spawn(hand_out(Rc::clone(&place)));
        reactor.block_on(yield_now());
        let stale = place.take().unwrap();
        drop(reactor);
        drop(task);
        stale.wake_by_ref();
        let from_afar = stale.clone();
        std::thread::spawn(move || from_afar.wake()).join().unwrap();
        let next = Reactor::new().unwrap();
        // In the same slot, so that only the rest of the name tells them apart.
        next.block_on(does_not_reach_the_next_task(stale));
    });
}

#[test]
fn a_storm_from_eight_threads_is_a_bounded_queue() {
    const THREADS: usize = 8;
    const WAKES: u64 = 2_000_000;
    const NAME: &str = "wakeup::a_storm_from_eight_threads_is_a_bounded_queue";
    // Alone in the process, as all of its memory is looked at.
    in_own_process(NAME, || {
        block_on(bounded(async {
            let stop = Arc::new(AtomicBool::new(false));
            let (woken, settled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
            let polls = Rc::new(Cell::new(0_u64));
            let place = Rc::new(Cell::new(None::<Waker>));
            let (count, hand) = (Rc::clone(&polls), Rc::clone(&place));
            let _task = spawn(poll_fn(move |cx| {
                count.set(count.get() + 1);
                hand.set(Some(cx.waker().clone()));
                Poll::<()>::Pending
            }));
            yield_now().await;
            let waker = place.take().unwrap();
            let start = Arc::new(Barrier::new(THREADS + 1));
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let (waker, stop) = (waker.clone(), Arc::clone(&stop));
                    let (woken, start) = (Arc::clone(&woken), Arc::clone(&start));
                    let settled = Arc::clone(&settled);
                    std::thread::spawn(move || {
                        start.wait();
                        waker.wake_by_ref();
                        settled.fetch_add(1, Ordering::Relaxed);
                        while !stop.load(Ordering::Relaxed) {
                            waker.wake_by_ref();
                            woken.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            start.wait();
            // Each of the threads has all that it needs by then.
            until_blocking(|| settled.load(Ordering::Relaxed) == THREADS);
            let resident_before = resident();
            // The reactor stands still meanwhile: what is not bounded piles up, 8 bytes and more for each.
            until_blocking(|| woken.load(Ordering::Relaxed) > WAKES);
            let more = resident().saturating_sub(resident_before);
            stop.store(true, Ordering::Relaxed);
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(more < WAKES, "{more} bytes more for {WAKES} wakes");
            let before = polls.get();
            for _ in 0..200 {
                yield_now().await;
            }
            assert_eq!(polls.get() - before, 1, "a million wakes are one poll");
        }));
    });
}

#[test]
fn no_wake_from_another_thread_is_lost() {
    for _ in 0..rounds(1, 200) {
        wakes_from_another_thread();
    }
}

/// 5,000 of them.
fn wakes_from_another_thread() {
    const ROUNDS: u64 = 5_000;
    // The reactor parks in every round; the other thread woken it at all sorts of moments.
    let reactor = Reactor::new().unwrap();
    let (wakes, thread) = woken_by_another_thread(ROUNDS);
    reactor.block_on(bounded(wakes));
    thread.join().unwrap();
}
