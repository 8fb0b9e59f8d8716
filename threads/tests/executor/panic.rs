//! Panics wherever user code runs: none takes a worker down.

use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use super::support::{Gate, LIMIT, in_time};
use crate::executor::model::{JoinError, Pool, spawn};

#[test]
fn the_message_is_kept() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let message = |error| match error {
            JoinError::Panicked { message, .. } => message,
            other => panic!("{other}"),
        };
        let error = pool.submit(|()| -> u8 { panic!("fixed") }, ()).join().unwrap_err();
        assert!(error.to_string().contains("panicked: fixed"), "{error}");
        assert_eq!(message(error), "fixed");
        let error = pool.submit(|x: u8| -> u8 { panic!("x is {x}") }, 3).join().unwrap_err();
        assert_eq!(message(error), "x is 3");
        let error = pool.submit(|x: u8| -> u8 { panic_any(x) }, 17).join().unwrap_err();
        assert!(error.to_string().contains("payload"), "{error}");
        assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1, "the worker lives");
        assert_eq!(pool.stats().panicked, 3);
    });
}

#[test]
fn a_panicking_waker() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("waker");
        }
    }
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let waker = Waker::from(Arc::new(Panics));
    let mut handle = pool.submit(|x: u8| x, 5);
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    gate.open().join().unwrap();
    assert_eq!(handle.join().unwrap(), 5);
    assert_eq!(pool.submit(|x: u8| x, 1).join_timeout(LIMIT).unwrap().unwrap(), 1);
}

#[test]
fn a_panic_beside_the_pool() {
    let error = spawn(|x: u8| -> u8 { panic!("got {x}") }, 1).unwrap().join().unwrap_err();
    assert!(error.to_string().contains("panicked: got 1"), "{error}");
}
