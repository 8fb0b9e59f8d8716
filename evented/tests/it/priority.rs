//! Classes, counted in polls and not in time.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use evented::net::{TcpListener, TcpStream};
use evented::{Class, Reactor, Spawn, sleep, spawn, spawn_with, yield_now};
use futures_lite::AsyncReadExt;

use crate::support::bounded;

/// How often the urgent task is called.
const ROUNDS: usize = 50;

/// Polls of 100 background tasks between a byte that is sent to an urgent reader and the poll that
/// reads it, for each round.
fn polls_until_read(latency: Duration, class: Class) -> Vec<u64> {
    let reactor = Reactor::builder().latency(latency).build().unwrap();
    reactor.block_on(bounded(async move {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sender.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let polls = Rc::new(Cell::new(0_u64));
        let sent_at = Rc::new(Cell::new(None));
        let background: Vec<_> = (0..100)
            .map(|_| {
                let polls = Rc::clone(&polls);
                spawn(async move {
                    loop {
                        polls.set(polls.get() + 1);
                        yield_now().await;
                    }
                })
            })
            .collect();
        let urgent = spawn_with(
            Spawn::new().class(class),
            read_and_count(stream, Rc::clone(&polls), Rc::clone(&sent_at)),
        );
        for round in 0..ROUNDS {
            // In the middle of the queue of background tasks, and of a turn.
            for _ in 0..3 + round % 5 {
                yield_now().await;
            }
            sent_at.set(Some(polls.get()));
            sender.write_all(&[1]).unwrap();
            while sent_at.get().is_some() {
                yield_now().await;
            }
        }
        let mut waited = urgent.await.unwrap();
        drop(background);
        waited.sort_unstable();
        waited
    }))
}

async fn read_and_count(
    mut stream: TcpStream,
    polls: Rc<Cell<u64>>,
    sent_at: Rc<Cell<Option<u64>>>,
) -> Vec<u64> {
    let mut waited = Vec::new();
    while waited.len() < ROUNDS {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        let sent = sent_at.take().expect("the byte was announced");
        waited.push(polls.get() - sent);
    }
    waited
}

#[test]
fn an_urgent_reader_comes_in_between_background_polls() {
    let urgent = polls_until_read(Duration::ZERO, Class::RT);
    // The kernel may hand a byte over late, but not half of the time.
    assert!(urgent[ROUNDS / 2] <= 1, "polls before each read: {urgent:?}");
    let equal = polls_until_read(Duration::ZERO, Class::NORMAL);
    assert!(equal[ROUNDS / 2] >= 20, "without a class it queues: {equal:?}");
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
