//! The channels.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evented::sync::mpsc::{TryRecvError, TrySendError};
use evented::sync::{mpsc, oneshot};
use evented::{TaskGroup, block_on, blocking, sleep, spawn, yield_now};

use crate::support::{bounded, poll_once, until, until_blocking};

#[test]
fn values_come_in_order_and_the_bound_holds() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded(3);
        let producer = spawn(async move {
            for n in 0..1_000 {
                sender.send(n).await.unwrap();
            }
        });
        for n in 0..1_000 {
            assert!(receiver.len() <= 3);
            assert_eq!(receiver.recv().await, Some(n));
        }
        assert_eq!(receiver.recv().await, None);
        producer.await.unwrap();
    }));
}

#[test]
fn full_empty_and_closed() {
    let (sender, mut receiver) = mpsc::bounded(1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.try_send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.try_recv(), Ok(1));
    let other = sender.clone();
    drop(sender);
    other.try_send(3).unwrap();
    drop(other);
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    let (sender, receiver) = mpsc::bounded(1);
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
    assert_eq!(block_on(sender.send(5)).unwrap_err().0, 5);
}

#[test]
fn senders_get_room_in_the_order_in_which_they_wait() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded(1);
        sender.try_send(0).unwrap();
        let mut group = TaskGroup::new();
        for n in 1..=5 {
            let sender = sender.clone();
            group.spawn(async move { sender.send(n).await.unwrap() });
        }
        yield_now().await;
        assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
        for n in 0..=5 {
            assert_eq!(receiver.recv().await, Some(n));
        }
    }));
}

#[test]
fn a_sender_that_gives_up_passes_its_turn_on() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded(1);
        sender.try_send(0).unwrap();
        let mut gives_up = sender.send(1);
        assert!(poll_once(&mut gives_up).is_pending());
        let other = sender.clone();
        let waits = spawn(async move { other.send(2).await });
        yield_now().await;
        // The first in the row is told, and goes away instead.
        assert_eq!(receiver.try_recv(), Ok(0));
        drop(gives_up);
        waits.await.unwrap().unwrap();
        assert_eq!(receiver.try_recv(), Ok(2));
    }));
}

#[test]
fn threads_send_to_a_task() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded(16);
        let threads: Vec<_> = (0..4_u64)
            .map(|_| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    block_on(async move {
                        for n in 1..=1_000_u64 {
                            sender.send(n).await.unwrap();
                        }
                    });
                })
            })
            .collect();
        drop(sender);
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        assert_eq!(sum, 4 * 500_500);
        for thread in threads {
            thread.join().unwrap();
        }
    }));
}

#[test]
fn a_dropped_receiver_wakes_waiting_senders_and_drops_values() {
    block_on(bounded(async {
        let token = Arc::new(());
        let (sender, receiver) = mpsc::bounded(1);
        sender.try_send(Arc::clone(&token)).unwrap();
        let value = Arc::clone(&token);
        let waits = spawn(async move { sender.send(value).await.is_err() });
        yield_now().await;
        drop(receiver);
        assert!(waits.await.unwrap());
        assert_eq!(Arc::strong_count(&token), 1);
    }));
}

#[test]
fn one_value_and_none() {
    block_on(bounded(async {
        let (sender, receiver) = oneshot::channel();
        let waits = spawn(receiver);
        yield_now().await;
        sender.send(1).unwrap();
        assert_eq!(waits.await.unwrap(), Ok(1));
        let (sender, receiver) = oneshot::channel::<u8>();
        drop(sender);
        assert_eq!(receiver.await, Err(oneshot::RecvError));
        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(2), Err(2));
        let (sender, receiver) = oneshot::channel();
        let thread = std::thread::spawn(move || receiver.recv_blocking());
        sender.send(3).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(3));
    }));
}

#[test]
fn receiving_with_a_blocked_thread_is_not_for_tasks() {
    block_on(bounded(async {
        for sent_already in [false, true] {
            let (sender, receiver) = oneshot::channel();
            let _kept =
                if sent_already { sender.send(1).map(|()| None).unwrap() } else { Some(sender) };
            let task = spawn(async move { receiver.recv_blocking() });
            let error = task.await.unwrap_err().to_string();
            assert!(error.contains("`.await` the receiver instead"), "{error}");
        }
        // What the text proposes.
        let (sender, receiver) = oneshot::channel();
        let waits = spawn(blocking(move || receiver.recv_blocking()));
        yield_now().await;
        sender.send(2).unwrap();
        assert_eq!(waits.await.unwrap().unwrap(), Ok(2));
    }));
    // Outside, it is for this very thread.
    let (sender, receiver) = oneshot::channel();
    sender.send(3).unwrap();
    assert_eq!(receiver.recv_blocking(), Ok(3));
}

#[test]
fn a_channel_that_is_never_empty_starves_nothing() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded(4);
        sender.try_send(()).unwrap();
        let task = spawn(async move {
            loop {
                receiver.recv().await.unwrap();
                sender.try_send(()).unwrap();
            }
        });
        sleep(Duration::from_millis(1)).await;
        drop(task);
        until(|| evented::stats().tasks == 0).await;
    }));
}

/// It is woken by the last of them, and by no other.
#[test]
fn a_receiver_that_waits_hears_that_all_senders_are_gone() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded::<u8>(1);
        let other = sender.clone();
        let waits = spawn(async move { receiver.recv().await });
        yield_now().await;
        drop(sender);
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!waits.is_finished());
        drop(other);
        assert_eq!(waits.await.unwrap(), None);
    }));
}

/// Asks its channel while it is dropped.
struct Asks(mpsc::Sender<Asks>);

impl Drop for Asks {
    fn drop(&mut self) {
        assert!(self.0.is_closed());
    }
}

#[test]
fn values_that_nobody_takes_are_dropped_outside_of_the_lock() {
    let dropping = std::thread::spawn(|| {
        let (sender, receiver) = mpsc::bounded(1);
        assert!(sender.try_send(Asks(sender.clone())).is_ok());
        drop(receiver);
    });
    until_blocking(|| dropping.is_finished());
    dropping.join().unwrap();
}

/// Counts its drops, which panic.
struct Heavy(Arc<AtomicUsize>);

impl Drop for Heavy {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("on purpose");
    }
}

#[test]
fn values_that_panic_in_their_drops_do_not_end_the_process() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let filled = || {
        let (sender, receiver) = mpsc::bounded(3);
        for _ in 0..3 {
            assert!(sender.try_send(Heavy(Arc::clone(&dropped))).is_ok());
        }
        receiver
    };
    let receiver = filled();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err(), "one is passed on");
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    // While the thread unwinds already there is nobody to pass it on to.
    let receiver = filled();
    let unwinding = catch_unwind(AssertUnwindSafe(|| {
        let _receiver = receiver;
        panic!("first");
    }));
    assert_eq!(unwinding.unwrap_err().downcast_ref(), Some(&"first"));
    assert_eq!(dropped.load(Ordering::SeqCst), 6);
}
