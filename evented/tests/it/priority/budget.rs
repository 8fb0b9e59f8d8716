//! An executor inside of a task, or of a call, that polls until it is ready: nothing there yields for it.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use evented::sync::{Mutex, mpsc};
use evented::{Class, ClassSpec, Reactor, Spawn, block_on, handle, spawn_with};
use futures_lite::future;

use crate::support::{bounded, until};

/// All operations of a poll and some more.
const MANY: usize = 500;

#[test]
fn an_executor_inside_of_a_task_goes_on() {
    block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded(MANY);
        for n in 0..MANY {
            sender.try_send(n).unwrap();
        }
        future::block_on(async {
            for n in 0..MANY {
                assert_eq!(receiver.recv().await, Some(n));
            }
        });
    }));
}

/// Also where the class asks for a slice that is over.
#[test]
fn an_executor_inside_of_a_task_whose_slice_is_over_goes_on() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    let slice = ClassSpec::new("sliced").slice(std::time::Duration::from_micros(10));
    let class = reactor.add_class(slice).unwrap();
    reactor.block_on(async {
        let task = spawn_with(Spawn::new().class(class), async {
            let lock = Mutex::new(0);
            for _ in 0..3 {
                *future::block_on(lock.lock()) += 1;
                evented::advance(std::time::Duration::from_micros(20));
            }
            *future::block_on(lock.lock())
        });
        assert_eq!(task.await.unwrap(), 3);
    });
}

/// The last poll has used up its operations; a call is none.
#[test]
fn calls_have_operations_of_their_own() {
    block_on(bounded(async {
        let lock = Mutex::new(0);
        let (called, in_call) = (lock.clone(), handle());
        let task = spawn_with(Spawn::new().class(Class::NORMAL), async move {
            let thread = std::thread::spawn(move || {
                // Nobody polls it again: what is ready has to be with the first poll.
                in_call
                    .call(move || {
                        let mut cx = Context::from_waker(Waker::noop());
                        if let Poll::Ready(mut guard) = pin!(called.lock()).poll(&mut cx) {
                            *guard += 1;
                        }
                    })
                    .unwrap();
            });
            thread.join().unwrap();
            // It returns with none left.
            for _ in 0..MANY {
                let polled =
                    pin!(lock.lock()).as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if polled.is_pending() {
                    return lock;
                }
            }
            panic!("a poll has an end");
        });
        let lock = task.await.unwrap();
        until(|| lock.try_lock().is_some_and(|lock| *lock == 1)).await;
    }));
}
