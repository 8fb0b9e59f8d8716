//! What errors say.

use std::panic::catch_unwind;
use std::time::{Duration, Instant};
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

/// What the panic of this says.
fn panic_of(wrong: impl FnOnce()) -> String {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    super::message(catch_unwind(AssertUnwindSafe(wrong)).unwrap_err())
}

/// Something wrong that panics.
type Mistake = Box<dyn FnOnce()>;

/// A panic about wrong use says a sentence about it.
#[test]
fn panics_say_what_was_wrong() {
    use threads::{Barrier, Divide, Semaphore, chunks, chunks_mut, par_chunks_mut};
    let mistakes: [(Mistake, &str); 6] = [
        (Box::new(|| assert_eq!(chunks(&[1], 0).length(), 1)), "a chunk has at least one item: "),
        (
            Box::new(|| assert_eq!(chunks_mut(&mut [1], 0).length(), 1)),
            "a chunk has at least one item: ",
        ),
        (Box::new(|| par_chunks_mut(&mut [1], 0, |_, _| ())), "a chunk has at least one item: "),
        (
            Box::new(|| Semaphore::new(threads::MAX_PERMITS).unwrap().release(1)),
            "a semaphore cannot have more than ",
        ),
        (
            Box::new(|| {
                let own = std::sync::Arc::new(std::sync::Mutex::new(None::<Barrier>));
                let inner = std::sync::Arc::clone(&own);
                // Taken out: a barrier that is kept in its own action is never freed.
                let take = move || inner.lock().unwrap().take();
                let action = move || assert!(take().unwrap().wait().is_err());
                let barrier = Barrier::with_action(1, action).unwrap();
                *own.lock().unwrap() = Some(barrier.clone());
                barrier.wait().unwrap();
            }),
            "the action of a barrier cannot wait at it: ",
        ),
        (
            Box::new(|| {
                let mut ready = Pool::new(1).unwrap().spawn(|| 1);
                crate::support::block_on(&mut ready).unwrap();
                drop(ready.join());
            }),
            "the result of this job was already taken",
        ),
    ];
    for (wrong, says) in mistakes {
        let text = panic_of(wrong);
        assert!(text.starts_with(says), "{text:?}, not {says:?}");
    }
}

/// A row that tells a wrong length.
struct Liar;

impl IntoIterator for Liar {
    type Item = usize;
    type IntoIter = std::ops::Range<usize>;

    fn into_iter(self) -> Self::IntoIter {
        0..0 // Far too few.
    }
}

impl threads::Divide for Liar {
    fn length(&self) -> usize {
        5
    }

    fn divide_at(self, _index: usize) -> (Self, Self) {
        (Self, Self)
    }
}

#[test]
fn a_wrong_divide_is_named() {
    let text = panic_of(|| drop(threads::par_map(Liar, |x| x)));
    assert!(text.contains("implementation of `Divide`"), "{text}");
}

/// A row that is not divided where it is told.
struct Whole;

impl IntoIterator for Whole {
    type Item = usize;
    type IntoIter = std::ops::Range<usize>;

    fn into_iter(self) -> Self::IntoIter {
        0..100
    }
}

impl threads::Divide for Whole {
    fn length(&self) -> usize {
        100
    }

    fn divide_at(self, _index: usize) -> (Self, Self) {
        (Self, Self)
    }
}

/// Not the end of the process, though results are dropped while it unwinds.
#[test]
fn a_divide_that_gives_too_much_is_named() {
    let slow = |x: usize| {
        let end = Instant::now() + Duration::from_micros(50);
        while Instant::now() < end {}
        x.to_string()
    };
    // Where nobody comes to help, it is not divided, and nothing is wrong.
    let mut ends = (0..1_000).map(|_| catch_unwind(|| threads::par_map(Whole, slow)));
    let payload = ends.find_map(Result::err).expect("it is divided at last");
    let text = payload.downcast::<&str>().expect("it is a text");
    assert!(text.contains("implementation of `Divide`"), "{text}");
}
