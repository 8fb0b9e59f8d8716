//! A job holds something across a wait in the pool, and another job needs it.
//!
//! Nothing is left to chance: the wait is for a closure on another thread, which ends when the other
//! job has begun. There are two workers, so one of them waits, and the other one is busy.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::{flag::Flag, fork::Fork};

/// A mutex is held.
pub(crate) fn mutex<F: Fork>() {
    let pool = Arc::new(F::start(2));
    let (total, done) = (Arc::new(Mutex::new(0)), Arc::new(Flag::default()));
    let (inner, ours, theirs) = (Arc::clone(&pool), Arc::clone(&total), Arc::clone(&done));
    pool.run(move || {
        let mut held = ours.lock().expect("nobody panics");
        let total = Arc::clone(&ours);
        join_beside(&*inner, move || {
            *total.lock().expect("nobody panics") += 1;
            theirs.set();
        });
        *held += 1;
    });
    done.wait();
    assert_eq!(*total.lock().expect("nobody panics"), 2);
}

/// A value that is being made.
pub(crate) fn once_lock<F: Fork>() {
    static VALUE: OnceLock<u32> = OnceLock::new();
    let pool = Arc::new(F::start(2));
    let done = Arc::new(Flag::default());
    let (inner, theirs) = (Arc::clone(&pool), Arc::clone(&done));
    let value = pool.run(move || {
        *VALUE.get_or_init(|| {
            join_beside(&*inner, move || {
                assert_eq!(*VALUE.get_or_init(|| 2), 1);
                theirs.set();
            });
            1
        })
    });
    done.wait();
    assert_eq!(value, 1);
}

/// A value of the thread that is borrowed.
pub(crate) fn ref_cell<F: Fork>() {
    thread_local!(static BUFFER: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });
    let pool = Arc::new(F::start(2));
    let done = Arc::new(Flag::default());
    let (inner, theirs) = (Arc::clone(&pool), Arc::clone(&done));
    pool.run(move || {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.push(1);
            join_beside(&*inner, move || {
                BUFFER.with_borrow_mut(|buffer| buffer.push(2));
                theirs.set();
            });
            assert_eq!(buffer[..], [1]);
        });
    });
    done.wait();
}

/// Nothing is held, but the other job ends only when the first one has gone on.
pub(crate) fn long_job<F: Fork>() {
    let pool = Arc::new(F::start(2));
    let [over, done] = [(); 2].map(|()| Arc::new(Flag::default()));
    let (inner, theirs) = (Arc::clone(&pool), Arc::clone(&done));
    pool.run(move || {
        let seen = Arc::clone(&over);
        join_beside(&*inner, move || {
            seen.wait();
            theirs.set();
        });
        over.set();
    });
    done.wait();
}

/// A mutex is held while another pool works, by the only worker.
pub(crate) fn install<F: Fork>() {
    let (pool, other) = (Arc::new(F::start(1)), F::start(1));
    let [begun, done] = [(); 2].map(|()| Arc::new(Flag::default()));
    let (inner, theirs, total) = (Arc::clone(&pool), Arc::clone(&done), Arc::new(Mutex::new(0)));
    let ours = Arc::clone(&total);
    pool.run(move || {
        let mut held = ours.lock().expect("nobody panics");
        let (total, beginning) = (Arc::clone(&ours), Arc::clone(&begun));
        inner.spawn(move || {
            beginning.set();
            *total.lock().expect("nobody panics") += 1;
            theirs.set();
        });
        // Long enough for a worker that looks for something to do.
        other.install(|| begun.wait_at_most(Duration::from_millis(200)));
        *held += 1;
    });
    done.wait();
    assert_eq!(*total.lock().expect("nobody panics"), 2);
}

/// Waits in a join, while `other` is the only thing to do for the pool.
fn join_beside<F: Fork>(pool: &F, other: impl FnOnce() + Send + 'static) {
    let begun = Arc::new(Flag::default());
    let (beginning, other) = (Arc::clone(&begun), Mutex::new(Some(other)));
    let spawn = || {
        let other = other.lock().expect("nobody panics").take().expect("it is spawned once");
        let beginning = Arc::clone(&beginning);
        pool.spawn(move || {
            beginning.set();
            other();
        });
    };
    while !join_apart::<F>(&spawn, || begun.wait()) {}
}

/// A join whose closures run at the same time on two threads; whether they did. If no worker has
/// taken the second one in time, none is called.
fn join_apart<F: Fork>(a: impl Fn() + Sync, b: impl Fn() + Sync) -> bool {
    let (state, taken, here) = (AtomicU8::new(OPEN), Flag::default(), thread::current().id());
    let becomes = |next| state.compare_exchange(OPEN, next, SeqCst, SeqCst).is_ok();
    let first = || {
        let apart = taken.wait_at_most(Duration::from_millis(50)) || !becomes(ALONE);
        if apart {
            a();
        }
        apart
    };
    let second = || {
        if becomes(APART) {
            assert_ne!(thread::current().id(), here, "the first one waits for it");
            taken.set();
            b();
        }
    };
    F::join(first, second).0
}

/// No worker has taken the second closure so far.
const OPEN: u8 = 0;

/// One has.
const APART: u8 = 1;

/// The first closure waits no longer for that.
const ALONE: u8 = 2;
