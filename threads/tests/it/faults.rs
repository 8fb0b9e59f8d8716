//! Wrong use: a documented panic, never a hang.

mod circles;
mod itself;
mod sets;
mod texts;

use crate::support::in_time;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use threads::{JoinHandle, Pool};

/// What a panic said.
pub(super) fn message(payload: Box<dyn std::any::Any + Send>) -> String {
    let text = payload.downcast::<String>().map(|text| *text);
    text.unwrap_or_else(|payload| (*payload.downcast::<&str>().unwrap()).to_owned())
}

/// Starts a job with its own handle, in a pool or as a thread of its own.
pub(super) fn with_own_handle(
    pool: Option<&Pool>,
    body: impl FnOnce(JoinHandle<()>) + Send + 'static,
) -> mpsc::Receiver<String> {
    let (give, take) = mpsc::channel::<JoinHandle<()>>();
    let (told, result) = mpsc::channel();
    let job = move || {
        let own = take.recv().unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| body(own)));
        let message = ended.err().map_or(String::new(), |payload| {
            payload.downcast::<&str>().map_or("?".to_owned(), |text| (*text).to_owned())
        });
        told.send(message).unwrap();
    };
    let handle = match pool {
        Some(pool) => pool.spawn(job),
        None => threads::spawn(|job| job(), job).unwrap(),
    };
    give.send(handle).unwrap();
    result
}

#[test]
fn use_after_the_pool_has_ended() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let local = pool.worker_local(|| 1);
        let handle = pool.spawn(|| 2);
        pool.shutdown();
        assert_eq!(local.with(|x| *x), 1);
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 2);
    });
}
