//! Classes, counted in polls and not in time.

mod boosted_io;
mod budget;
mod classes;
mod crowd;
mod inherit;
mod recorded;
mod slices;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::Write;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use evented::net::{TcpListener, TcpStream};
use evented::{Class, Reactor, Spawn, block_on, sleep, spawn, spawn_with, yield_now};
use futures_lite::AsyncReadExt;
use rustix::net::RecvFlags;

use crate::support::{bounded, until, until_blocking};

/// How often the urgent task is called.
const ROUNDS: usize = 50;

/// Polls of many background tasks, each of which takes `spin`, between the moment at which the kernel
/// has a byte for a reader of the class and the poll that reads it, for each round.
fn polls_until_read(latency: Option<Duration>, spin: Duration, class: Class) -> Vec<u64> {
    // Fewer of those that take long: the test has to end on a machine that is busy, too.
    let tasks = if spin.is_zero() { 100 } else { 20 };
    let builder = Reactor::builder();
    let builder = latency.into_iter().fold(builder, evented::Builder::latency);
    builder.build().unwrap().block_on(bounded(async move {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sender.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let same_socket = rustix::io::dup(&stream).unwrap();
        let polls = Rc::new(Cell::new(0_u64));
        let readable_at = Rc::new(Cell::new(None));
        let background: Vec<_> =
            (0..tasks).map(|_| spawn(spin_and_yield(spin, Rc::clone(&polls)))).collect();
        let urgent = spawn_with(
            Spawn::new().class(class),
            read_and_count(stream, Rc::clone(&polls), Rc::clone(&readable_at)),
        );
        for round in 0..ROUNDS {
            // In the middle of the queue of background tasks, and of a turn.
            for _ in 0..3 + round % 5 {
                yield_now().await;
            }
            sender.write_all(&[1]).unwrap();
            until_blocking(|| is_readable(&same_socket));
            readable_at.set(Some(polls.get()));
            while readable_at.get().is_some() {
                yield_now().await;
            }
        }
        let mut waited = urgent.await.unwrap();
        drop(background);
        waited.sort_unstable();
        waited
    }))
}

/// Whether the kernel has a byte; leaves it there.
fn is_readable(socket: &std::os::fd::OwnedFd) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    rustix::net::recv(socket, &mut [0; 1], flags).is_ok()
}

/// A background task. The clock decides how long a poll takes, never how many there are.
async fn spin_and_yield(spin: Duration, polls: Rc<Cell<u64>>) {
    loop {
        polls.set(polls.get() + 1);
        let start = Instant::now();
        while start.elapsed() < spin {
            std::hint::spin_loop();
        }
        yield_now().await;
    }
}

async fn read_and_count(
    mut stream: TcpStream,
    polls: Rc<Cell<u64>>,
    readable_at: Rc<Cell<Option<u64>>>,
) -> Vec<u64> {
    let mut waited = Vec::new();
    while waited.len() < ROUNDS {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        let readable = readable_at.take().expect("the byte was announced");
        waited.push(polls.get() - readable);
    }
    waited
}

#[test]
fn an_urgent_reader_comes_in_between_background_polls() {
    // Without latency the very next poll is the urgent one.
    let urgent = polls_until_read(Some(Duration::ZERO), Duration::ZERO, Class::RT);
    assert_eq!(urgent, [0; ROUNDS], "polls before each read");
    let equal = polls_until_read(Some(Duration::ZERO), Duration::ZERO, Class::NORMAL);
    assert!(equal[ROUNDS / 2] >= 20, "without a class it queues: {equal:?}");
}

#[test]
fn the_default_latency_lets_a_handful_of_polls_pass() {
    // A poll takes as long as the latency: the one that uses it up is the last one.
    let slow = polls_until_read(None, Duration::from_micros(20), Class::RT);
    assert!(slow[ROUNDS - 1] <= 1, "polls before each read: {slow:?}");
    // Polls that take next to nothing: at most the rest of a turn.
    let quick = polls_until_read(None, Duration::ZERO, Class::RT);
    assert!(quick[ROUNDS - 1] <= 64, "polls before each read: {quick:?}");
}

/// Waits to be woken, again and again, and notes each poll.
async fn note_polls(place: Rc<RefCell<Vec<Waker>>>, log: Rc<RefCell<Vec<Class>>>, class: Class) {
    poll_fn(|cx| {
        place.borrow_mut().push(cx.waker().clone());
        log.borrow_mut().push(class);
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn a_lower_class_runs_only_while_no_higher_one_is_ready() {
    const EACH: usize = 10;
    block_on(bounded(async {
        let (log, place) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
        let tasks: Vec<_> = [Class::NORMAL, Class::RT]
            .into_iter()
            .flat_map(|class| std::iter::repeat_n(class, EACH))
            .map(|class| {
                let noted = note_polls(Rc::clone(&place), Rc::clone(&log), class);
                spawn_with(Spawn::new().class(class), noted)
            })
            .collect();
        let in_order = [[Class::RT; EACH], [Class::NORMAL; EACH]].concat();
        until(|| log.borrow().len() == 2 * EACH).await;
        assert_eq!(*log.borrow(), in_order, "when they start");
        for wakes_from_afar in [false, true] {
            log.borrow_mut().clear();
            let mut wakers = place.take();
            // The tasks of the lower class are woken first.
            wakers.reverse();
            if wakes_from_afar {
                let wake_all = move || wakers.into_iter().for_each(Waker::wake);
                std::thread::spawn(wake_all).join().unwrap();
            } else {
                wakers.into_iter().for_each(Waker::wake);
            }
            until(|| log.borrow().len() == 2 * EACH).await;
            assert_eq!(*log.borrow(), in_order, "woken from afar: {wakes_from_afar}");
        }
        drop(tasks);
    }));
}

#[test]
fn an_urgent_task_woken_by_another_thread_is_the_next_one() {
    block_on(bounded(async {
        let (polls, place) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(None::<Waker>)));
        let (count, hand) = (Rc::clone(&polls), Rc::clone(&place));
        // Hands its waker out, and the second time tells how far the others have come.
        let mut first = true;
        let noted = poll_fn(move |cx| {
            hand.set(Some(cx.waker().clone()));
            if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(count.get()) }
        });
        let urgent = spawn_with(Spawn::new().class(Class::RT), noted);
        let _background: Vec<_> =
            (0..100).map(|_| spawn(spin_and_yield(Duration::ZERO, Rc::clone(&polls)))).collect();
        for _ in 0..3 {
            yield_now().await;
        }
        let waker = place.take().unwrap();
        std::thread::spawn(move || waker.wake()).join().unwrap();
        let woken_at = polls.get();
        assert_eq!(urgent.await.unwrap() - woken_at, 0, "no background poll comes in between");
    }));
}

#[test]
fn a_turn_is_64_polls_at_most() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(async {
        for _ in 0..6_400 {
            yield_now().await;
        }
    });
    let stats = reactor.stats();
    assert!(stats.turns >= 100, "{stats:?}");
}

#[test]
fn latency_bounds_how_often_the_reactor_looks() {
    let reactor = Reactor::builder().latency(Duration::from_hours(1)).build().unwrap();
    let waits = |reactor: &Reactor| {
        let before = reactor.stats().waits;
        reactor.block_on(async {
            let (_client, mut server) = crate::support::pair().await.unwrap();
            let reader = async move { server.read(&mut [0]).await };
            let _urgent = spawn_with(Spawn::new().class(Class::RT), reader);
            for _ in 0..6_400 {
                yield_now().await;
            }
        });
        reactor.stats().waits - before
    };
    let rarely = waits(&reactor);
    let often = waits(&Reactor::builder().latency(Duration::ZERO).build().unwrap());
    assert!(often >= 6_400, "with no latency it looks after each poll: {often}");
    assert!(rarely < 3_200, "with a long one about once per turn: {rarely}");
}

#[test]
fn higher_classes_go_first_and_lower_ones_wait() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        let _background = spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        });
        yield_now().await;
        let seen = Rc::clone(&polls);
        let urgent = spawn_with(Spawn::new().class(Class::RT), async move {
            let before = seen.get();
            for _ in 0..1_000 {
                yield_now().await;
            }
            seen.get() - before
        });
        assert_eq!(urgent.await.unwrap(), 0, "no background poll while an urgent task is ready");
    }));
}

#[test]
fn an_urgent_timer_interrupts_background_work() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        let _background: Vec<_> = (0..10)
            .map(|_| {
                spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let urgent = spawn_with(Spawn::new().class(Class::RT), async {
            for _ in 0..20 {
                sleep(Duration::from_micros(50)).await;
            }
        });
        urgent.await.unwrap();
    }));
}
