//! What errors say.

use std::time::Duration;
use threads::{BoundedSemaphore, Pool, Queue};

/// Each reads after "failed to", and says what it is about.
#[test]
fn texts_of_errors() {
    fn text<T>(result: std::io::Result<T>) -> String {
        result.err().expect("it fails").to_string()
    }
    let pool = Pool::builder;
    let name = || threads::ThreadBuilder::new().name("a\0b");
    let texts = [
        (text(pool().workers(0).build()), "give a pool 0 workers: "),
        (text(pool().workers(5_000).build()), "give a pool 5000 workers: "),
        (text(pool().workers(2).max_workers(1).build()), "give a pool 2 workers: "),
        (text(pool().spares(5_000).build()), "build a pool with 5000 spares: "),
        (text(pool().name("a\0b").build()), "name workers \"a\\0b\": "),
        (
            text(pool().queue_bound(0, threads::WhenFull::Block).build()),
            "bound a queue to 0 jobs: ",
        ),
        (text(Pool::inline().resize(1)), "resize an inline pool: "),
        (text(name().spawn(|| ())), "name a thread \"a\\0b\": "),
        (
            text(threads::ThreadBuilder::new().name("big").stack_size(usize::MAX).spawn(|| ())),
            "start thread \"big\": ",
        ),
        (text(Queue::<u8>::bounded(0)), "make a queue of capacity 0: "),
        (text(threads::Semaphore::new(usize::MAX)), "make a semaphore of "),
        (text(BoundedSemaphore::new(0)), "make a bounded semaphore of 0 permits: "),
        (text(threads::Barrier::new(0)), "make a barrier for 0 threads: "),
        (
            text(threads::Timer::every(Duration::ZERO, || ())),
            "make a timer with a period of zero: ",
        ),
    ];
    for (text, begins) in texts {
        assert!(text.starts_with(begins) && !text.ends_with('.'), "{text:?}, not {begins:?}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let over = BoundedSemaphore::new(1).unwrap().release(1).unwrap_err();
    assert!(over.to_string().contains("one that is dropped releases itself"), "{over}");
    let done = Queue::<u8>::bounded(1).unwrap().task_done().unwrap_err();
    assert!(done.to_string().contains("call it once for each one got"), "{done}");
    for error in [
        Queue::<u8>::bounded(0).unwrap_err(),
        BoundedSemaphore::new(0).unwrap_err(),
        Pool::new(0).unwrap_err(),
        threads::Barrier::new(0).unwrap_err(),
    ] {
        assert!(error.to_string().contains("ask for "), "{error}");
    }
}
