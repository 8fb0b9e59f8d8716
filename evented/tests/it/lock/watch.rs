//! `watch`.

use std::sync::Arc;
use std::time::Duration;

use evented::sync::watch::{self, RecvError};
use evented::{block_on, sleep, spawn, yield_now};

use crate::support::{bounded, poll_once};

#[test]
fn the_latest_value_and_only_it() {
    block_on(bounded(async {
        let (sender, mut receiver) = watch::channel(0);
        assert!(!receiver.has_changed(), "it has seen the first value");
        let mut other = receiver.clone();
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert!(receiver.has_changed() && *receiver.peek() == 2 && receiver.has_changed());
        assert_eq!(*receiver.changed().await.unwrap(), 2);
        assert!(poll_once(&mut receiver.changed()).is_pending());
        assert_eq!(*other.get(), 2);
        assert!(!other.has_changed() && !sender.subscribe().has_changed());
        // The last value is seen after the end, too.
        sender.send(3).unwrap();
        drop(sender);
        assert_eq!(*receiver.changed().await.unwrap(), 3);
        assert_eq!(receiver.changed().await, Err(RecvError));
        assert!(receiver.is_closed() && *receiver.peek() == 3);
    }));
}

#[test]
fn those_who_wait_are_told_and_a_dropped_wait_has_seen_nothing() {
    block_on(bounded(async {
        let (sender, mut receiver) = watch::channel(0);
        let followers: Vec<_> = (0..3)
            .map(|_| {
                let mut receiver = sender.subscribe();
                spawn(async move { receiver.wait_for(|value| *value >= 10).await.map(|v| *v) })
            })
            .collect();
        yield_now().await;
        let mut early = receiver.changed();
        assert!(poll_once(&mut early).is_pending());
        sender.send(5).unwrap();
        drop(early);
        assert_eq!(*receiver.changed().await.unwrap(), 5);
        yield_now().await;
        sender.send(10).unwrap();
        for follower in followers {
            assert_eq!(follower.await.unwrap(), Ok(10));
        }
        let mut never = sender.subscribe();
        let never = spawn(async move { never.wait_for(|value| *value == 99).await });
        yield_now().await;
        drop(sender);
        assert_eq!(never.await.unwrap(), Err(RecvError));
    }));
}

#[test]
fn the_sender_knows_when_nobody_is_left_and_values_are_dropped() {
    block_on(bounded(async {
        let token = Arc::new(());
        let (sender, receiver) = watch::channel(Some(Arc::clone(&token)));
        assert_eq!((sender.receivers(), sender.is_closed()), (1, false));
        let other = receiver.clone();
        sender.send(None).unwrap();
        assert_eq!(Arc::strong_count(&token), 1);
        let waits = spawn(async move {
            sender.closed().await;
            sender
        });
        yield_now().await;
        drop(receiver);
        yield_now().await;
        assert!(!waits.is_finished());
        drop(other);
        let sender = waits.await.unwrap();
        let refused = sender.send(Some(Arc::clone(&token))).unwrap_err();
        assert_eq!(Arc::strong_count(&token), 2);
        drop(refused);
        sender.replace(Some(Arc::clone(&token)));
        assert!(sender.get().is_some());
        drop(sender);
        assert_eq!(Arc::strong_count(&token), 1);
    }));
}

#[test]
fn a_value_that_another_thread_changes() {
    const LAST: u64 = 20_000;
    let (sender, mut receiver) = watch::channel(0);
    let thread = std::thread::spawn(move || (1..=LAST).for_each(|n| sender.send(n).unwrap()));
    let seen = block_on(bounded(async move {
        let mut last = 0;
        while let Ok(value) = receiver.changed().await {
            assert!(*value > last, "values come in order, each once");
            last = *value;
        }
        last
    }));
    assert_eq!(seen, LAST, "the last one is never missed");
    thread.join().unwrap();
}

#[test]
fn a_value_that_changes_all_the_time_starves_nothing() {
    block_on(bounded(async {
        let task = spawn(async {
            let (sender, mut receiver) = watch::channel(0);
            loop {
                sender.send(1).unwrap();
                receiver.changed().await.unwrap();
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(task.cancel().await.is_err());
    }));
}
