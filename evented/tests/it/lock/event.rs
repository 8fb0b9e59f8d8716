//! `Event`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use evented::sync::Event;
use evented::{block_on, sleep, spawn, yield_now};

use crate::support::{bounded, poll_once};

#[test]
fn all_who_wait_come_through_in_order_though_it_is_cleared() {
    block_on(bounded(async {
        let event = Event::new();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (event, order) = (event.clone(), Rc::clone(&order));
                spawn(async move {
                    event.wait().await;
                    order.borrow_mut().push(n);
                })
            })
            .collect();
        yield_now().await;
        let mut made_before = event.wait();
        event.set();
        event.clear();
        assert!(poll_once(&mut made_before).is_ready());
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
        assert!(poll_once(&mut event.wait()).is_pending(), "it is clear again");
    }));
}

#[test]
fn set_clear_and_giving_up() {
    let event = Event::default();
    assert!(!event.is_set());
    let mut gives_up = event.wait();
    assert!(poll_once(&mut gives_up).is_pending());
    drop(gives_up);
    event.set();
    event.set();
    assert!(event.is_set());
    let mut again = event.wait();
    assert!(poll_once(&mut again).is_ready());
    event.clear();
    assert!(poll_once(&mut again).is_pending(), "polled again, it waits for what is now");
    assert!(format!("{event:?} {again:?}").contains("set: Some(false)"));
}

#[test]
fn an_event_between_threads_wakes_each_round() {
    const ROUNDS: usize = 1_000;
    let (there, back) = (Event::new(), Event::new());
    let (to, from) = (there.clone(), back.clone());
    let other = std::thread::spawn(move || {
        block_on(bounded(async move {
            for _ in 0..ROUNDS {
                to.wait().await;
                to.clear();
                from.set();
            }
        }));
    });
    block_on(bounded(async {
        for _ in 0..ROUNDS {
            there.set();
            back.wait().await;
            back.clear();
        }
    }));
    other.join().unwrap();
}

#[test]
fn an_event_that_is_set_starves_nothing() {
    block_on(bounded(async {
        let event = Event::new();
        event.set();
        let task = spawn(async move {
            loop {
                event.wait().await;
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(task.cancel().await.is_err());
    }));
}
