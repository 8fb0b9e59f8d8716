//! The descriptors and timers of a boosted task, counted in polls and not in time.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evented::net::TcpListener;
use evented::{Class, Reactor, Spawn, spawn_with, yield_now};
use futures_lite::AsyncReadExt;

use super::{is_readable, spin_and_yield};
use crate::support::{bounded, until_blocking};

const ROUNDS: usize = 20;

/// Background polls between the moment at which the kernel has a byte for a reader of the least urgent
/// class and the poll that reads it, for each round, while an urgent task joins the reader, or not.
fn polls_until_read(is_joined: bool) -> Vec<u64> {
    let builder = Reactor::builder().latency(Duration::ZERO);
    builder.build().unwrap().block_on(bounded(async move {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sender.set_nodelay(true).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let same_socket = rustix::io::dup(&stream).unwrap();
        let (polls, readable_at) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(None::<u64>)));
        let (count, announced) = (Rc::clone(&polls), Rc::clone(&readable_at));
        let reader = spawn_with(Spawn::new().class(Class::IDLE), async move {
            let mut waited = Vec::new();
            while waited.len() < ROUNDS {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                waited.push(count.get() - announced.take().unwrap());
            }
            waited
        });
        // It waits for its descriptor, as one of its own class, when the urgent one comes.
        for _ in 0..10 {
            yield_now().await;
            evented::sleep(Duration::from_micros(10)).await;
        }
        let joiner = spawn_with(Spawn::new().class(Class::RT), async move {
            let mut reader = reader;
            let mut is_joined = is_joined;
            poll_fn(|cx| {
                // Without a join it looks only when it is woken at the end.
                if is_joined || reader.is_finished() {
                    is_joined = true;
                    return std::pin::Pin::new(&mut reader).poll(cx);
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
            .unwrap()
        });
        if !is_joined {
            joiner.set_class(Class::NORMAL);
        }
        let background: Vec<_> = (0..5)
            .map(|_| {
                let spin = spin_and_yield(Duration::ZERO, Rc::clone(&polls));
                spawn_with(Spawn::new().class(Class::BATCH), spin)
            })
            .collect();
        for _ in 0..ROUNDS {
            for _ in 0..5 {
                yield_now().await;
            }
            sender.write_all(&[1]).unwrap();
            until_blocking(|| is_readable(&same_socket));
            readable_at.set(Some(polls.get()));
            let sent_at = polls.get();
            while readable_at.get().is_some() {
                if polls.get() > sent_at + 2_000 {
                    // It is not read while others are ready.
                    drop(background);
                    return vec![polls.get() - sent_at];
                }
                yield_now().await;
            }
        }
        joiner.await.unwrap()
    }))
}

#[test]
fn its_descriptors_are_due_at_the_rank_of_who_waits() {
    assert_eq!(polls_until_read(true), [0; ROUNDS]);
}

/// A task sleeps, and somebody urgent waits for it from then on. The reactor looks at the clock less often
/// while polls of others are all there is; the timer is to be seen after the poll in which it is due.
#[test]
fn its_timers_are_due_at_the_rank_of_who_waits() {
    use evented::{advance, now, sleep_until, spawn};
    const POLL: Duration = Duration::from_micros(50);
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        // Not where a turn ends anyway.
        let due = now() + Duration::from_micros(20_060);
        let low = spawn_with(Spawn::new().class(Class::IDLE), async move {
            sleep_until(due).await;
            now()
        });
        // Low waits already, and so does one who is to join it.
        evented::sleep(Duration::from_millis(1)).await;
        let hog = spawn(async {
            loop {
                advance(POLL);
                yield_now().await;
            }
        });
        evented::sleep(Duration::from_millis(1)).await;
        let joiner = spawn_with(Spawn::new().class(Class::RT), low);
        let woken = joiner.await.unwrap().unwrap();
        assert!(woken - due <= POLL, "{:?} late", woken - due);
        drop(hog);
    });
}

#[test]
fn without_a_waiter_they_are_not() {
    let waited = polls_until_read(false);
    assert_eq!(waited.len(), 1, "it was read beside the others: {waited:?}");
}
