//! Waits for what another task will send, set or tell.

use evented::sync::{Event, Notify, mpsc, oneshot, watch};
use evented::{Class, sleep};

use super::{WORK, assert_bounded, micros, of, waited, work};

#[test]
fn a_full_channel_and_an_empty_one() {
    assert_bounded(waited(|| {
        let (sender, mut receiver) = mpsc::bounded(1);
        let low = async move {
            while receiver.recv().await.is_some() {
                work(WORK / 4).await;
            }
        };
        // The first is received, the second fills the channel.
        sender.try_send(0).unwrap();
        let urgent = async move {
            for n in 1..4 {
                sender.send(n).await.unwrap();
            }
        };
        (Box::pin(low), Box::pin(urgent))
    }));
    assert_bounded(waited(|| {
        let (sender, mut receiver) = mpsc::bounded(1);
        let low = async move {
            for n in 0..3 {
                sender.send(n).await.unwrap();
                work(WORK / 2).await;
            }
        };
        let urgent = async move {
            for n in 0..3 {
                assert_eq!(receiver.recv().await, Some(n));
            }
        };
        (Box::pin(low), Box::pin(urgent))
    }));
}

/// Two senders: nobody knows which one will send. One of them goes: it is the other.
#[test]
fn the_only_sender_is_known() {
    let (sender, mut receiver) = mpsc::bounded::<()>(1);
    let other = sender.clone();
    let wait = waited(|| {
        let low = async move {
            sender.claim();
            work(WORK).await;
            sender.send(()).await.unwrap();
        };
        let urgent = async move {
            of(Class::RT, async move {
                sleep(micros(500)).await;
                drop(other);
            })
            .detach();
            receiver.recv().await.unwrap();
        };
        (Box::pin(low), Box::pin(urgent))
    });
    assert_bounded(wait);
}

#[test]
fn claims() {
    assert_bounded(waited(|| {
        let (sender, receiver) = oneshot::channel();
        let low = async move {
            sender.claim();
            work(WORK).await;
            sender.send(1).unwrap();
        };
        (Box::pin(low), Box::pin(async move { assert_eq!(receiver.await, Ok(1)) }))
    }));
    assert_bounded(waited(|| {
        let event = Event::new();
        let set = event.clone();
        let low = async move {
            set.claim();
            work(WORK).await;
            set.set();
        };
        (Box::pin(low), Box::pin(async move { event.wait().await }))
    }));
    assert_bounded(waited(|| {
        let (sender, mut receiver) = watch::channel(0);
        let low = async move {
            sender.claim();
            work(WORK).await;
            sender.send(1).unwrap();
        };
        (Box::pin(low), Box::pin(async move { assert_eq!(*receiver.changed().await.unwrap(), 1) }))
    }));
    assert_bounded(waited(|| {
        let notify = Notify::new();
        let notifies = notify.clone();
        let low = async move {
            notifies.claim();
            // It stays the one after the first time.
            for _ in 0..2 {
                work(WORK / 2).await;
                notifies.notify_one();
            }
        };
        let urgent = async move {
            for _ in 0..2 {
                notify.notified().await;
            }
        };
        (Box::pin(low), Box::pin(urgent))
    }));
}
