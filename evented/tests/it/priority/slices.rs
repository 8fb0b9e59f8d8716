//! How much a task does in one poll, in virtual time: all figures are exact.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evented::sync::{Semaphore, mpsc};
use evented::{
    Class, ClassSpec, Reactor, Spawn, advance, cooperate, now, sleep, spawn, spawn_with,
    yield_if_needed, yield_now,
};

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn reactor() -> Reactor {
    Reactor::builder().virtual_time().build().unwrap()
}

/// Counts how often something else of the same class comes in between.
fn breaks() -> (evented::Task<()>, Rc<Cell<u32>>) {
    let breaks = Rc::new(Cell::new(0));
    let count = Rc::clone(&breaks);
    let other = spawn(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    });
    (other, breaks)
}

#[test]
fn a_poll_is_128_operations_that_were_ready() {
    reactor().block_on(async {
        let (other, breaks) = breaks();
        spawn(async move {
            let permits = Semaphore::new(1);
            let (sender, mut receiver) = mpsc::bounded(1);
            for n in 0..128_u32 {
                // Two operations each.
                drop(permits.acquire().await);
                sender.try_send(n).unwrap();
                assert_eq!(receiver.recv().await, Some(n));
                assert_eq!(breaks.get(), 1 + n / 64, "after {n} rounds");
            }
        })
        .await
        .unwrap();
        drop(other);
    });
}

#[test]
fn a_class_may_ask_for_a_slice_of_time() {
    let reactor = reactor();
    let sliced = ClassSpec::new("sliced").slice(micros(100));
    let sliced = reactor.add_class(sliced).unwrap();
    reactor.block_on(async {
        let count = |class, cost: u64| async move {
            // Operations of a poll that lets others run by itself, after the first.
            let permits = Semaphore::new(1);
            spawn_with(Spawn::new().class(class), async move {
                let polls = Rc::new(Cell::new(0));
                let seen = Rc::clone(&polls);
                let mut all = std::pin::pin!(async move {
                    let mut operations = Vec::new();
                    for _ in 0..300 {
                        drop(permits.acquire().await);
                        advance(micros(cost));
                        let poll: usize = seen.get();
                        operations.resize(poll, 0);
                        operations[poll - 1] += 1;
                    }
                    operations
                });
                poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    all.as_mut().poll(cx)
                })
                .await
            })
            .await
            .unwrap()
        };
        assert_eq!(count(Class::NORMAL, 30).await, [128, 128, 44]);
        let operations = count(sliced, 30).await;
        // 0, 30, 60 and 90 are within the slice.
        assert!(operations.iter().all(|&count| count == 4), "{operations:?}");
        let operations = count(sliced, 1_000).await;
        assert!(
            operations.iter().all(|&count| count == 1),
            "each poll comes further: {operations:?}"
        );
        assert_eq!(count(sliced, 0).await, [128, 128, 44]);
    });
    // It can be changed and taken away.
    let spec = reactor.class_spec(sliced).slice(micros(10));
    reactor.change_class(sliced, spec.clone()).unwrap();
    assert!(reactor.change_class(sliced, spec.slice(Duration::ZERO)).is_err());
    assert!(reactor.add_class(ClassSpec::new("none").slice(Duration::ZERO)).is_err());
}

/// Works in steps of equal length that ask whether they should yield; the times of the polls.
async fn steps(cost: Duration, steps: u32) -> Vec<u128> {
    let start = now();
    let mut begun = vec![0];
    let (other, breaks) = breaks();
    let mut seen = breaks.get();
    for _ in 0..steps {
        advance(cost);
        yield_if_needed().await;
        if breaks.get() != seen {
            seen = breaks.get();
            begun.push((now() - start).as_micros());
        }
    }
    drop(other);
    begun
}

#[test]
fn who_asks_yields_when_its_slice_is_over() {
    let reactor = reactor();
    let short = reactor.add_class(ClassSpec::new("short").slice(micros(50))).unwrap();
    reactor.block_on(async {
        // The slice begins with the first question, and is over with the first that finds it so.
        let gaps = |begun: Vec<u128>| -> Vec<u128> {
            begun.windows(2).map(|pair| pair[1] - pair[0]).collect()
        };
        let default = gaps(steps(micros(10), 1_000).await);
        assert!(default.len() >= 40, "{default:?}");
        assert!(default.iter().all(|gap| (200..=230).contains(gap)), "{default:?}");
        let of_class = spawn_with(Spawn::new().class(short), steps(micros(10), 1_000));
        let of_class = gaps(of_class.await.unwrap());
        assert!(of_class.iter().all(|gap| (50..=70).contains(gap)), "{of_class:?}");
        // Long steps: each is followed by a break.
        yield_now().await;
        assert_eq!(gaps(steps(micros(300), 5).await), [600, 600]);
        // After short ones, it takes a few to find out.
        steps(Duration::from_nanos(10), 1_500).await;
        let found = steps(micros(300), 30).await;
        assert!(found[1] <= 17 * 300, "{found:?}");
        // Steps that take nothing: no break at all.
        assert_eq!(steps(Duration::ZERO, 100_000).await, [0]);
    });
}

#[test]
fn who_asks_yields_at_once_to_somebody_more_urgent() {
    reactor().block_on(async {
        let order = Rc::new(Cell::new(0));
        let seen = Rc::clone(&order);
        let timer = Rc::clone(&order);
        let urgent = spawn_with(Spawn::new().class(Class::RT), async move {
            sleep(micros(35)).await;
            timer.set(timer.get() + 1);
        });
        yield_now().await;
        let worker = spawn(async move {
            let mut sum = 0;
            let mut items = cooperate(0..10_u64);
            while let Some(n) = items.next().await {
                // The timer is due after the fourth step.
                assert_eq!(seen.get(), u32::from(n >= 4), "before item {n}");
                advance(micros(10));
                sum += n;
            }
            // Somebody who is woken here is there with the next question.
            let order = Rc::clone(&seen);
            let woken = spawn_with(Spawn::new().class(Class::RT), async move { order.set(9) });
            assert_eq!(seen.get(), 1);
            yield_if_needed().await;
            assert_eq!(seen.get(), 9);
            woken.await.unwrap();
            sum
        });
        assert_eq!(worker.await.unwrap(), 45);
        urgent.await.unwrap();
        let total = Cell::new(0);
        cooperate([1, 2, 3]).for_each(|n| total.set(total.get() + n)).await;
        assert_eq!(total.get(), 6);
    });
    // Outside of a reactor there is nobody to yield to.
    let mut alone = yield_if_needed();
    assert_eq!(crate::support::poll_once(&mut alone), Poll::Ready(()));
}

#[test]
fn who_asks_lets_other_threads_in() {
    // No time passes, so the slice is never over.
    let reactor = reactor();
    let handle = reactor.handle();
    reactor.block_on(async move {
        let said = Rc::new(Cell::new(false));
        let hears = Rc::clone(&said);
        let (sender, mut receiver) = mpsc::bounded::<()>(1);
        let listener = spawn_with(Spawn::new().class(Class::RT), async move {
            receiver.recv().await.unwrap();
            hears.set(true);
        });
        yield_now().await;
        let thread = std::thread::spawn(move || {
            handle.call(|| ()).unwrap();
            evented::block_on(sender.send(())).unwrap();
        });
        // Work that awaits nothing else.
        let start = std::time::Instant::now();
        while !said.get() {
            assert!(start.elapsed() < crate::support::BOUND);
            yield_if_needed().await;
        }
        listener.await.unwrap();
        thread.join().unwrap();
    });
}
