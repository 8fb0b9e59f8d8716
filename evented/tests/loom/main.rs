//! A model of the protocol by which other threads wake a reactor: `src/remote`, compiled with loom's
//! primitives. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p evented --release --test loom
//! ```
#![cfg(loom)]

#[path = "../../src/remote/mod.rs"]
#[expect(dead_code, reason = "the model does not use the calls of the inbox")]
mod remote;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use remote::{Drained, Inbox, Word};

/// The reactor's id and the generation of its only task.
const READER: u64 = 1;
const GENERATION: u32 = 5;

/// What the reactor and the wakers share.
struct Model {
    inbox: Inbox<()>,
    word: Word,
    /// Stands for the eventfd: set by unpark, waited for and cleared by the driver.
    signal: Mutex<bool>,
    signalled: Condvar,
    /// What the wakers tell the task; it has to see all of it.
    told: AtomicUsize,
}

impl Model {
    fn new() -> Self {
        let inbox = Inbox::default();
        inbox.open(READER);
        let word = Word::default();
        word.retire(GENERATION);
        let signal = Mutex::new(false);
        Self { inbox, word, signal, signalled: Condvar::new(), told: AtomicUsize::new(0) }
    }

    /// As `mailbox::wake`.
    fn wake(&self) {
        if self.word.notify(GENERATION) && self.inbox.push_name(u64::from(GENERATION)) {
            *self.signal.lock().unwrap() = true;
            self.signalled.notify_one();
        }
    }

    /// As the driver's wait without a timeout.
    fn sleep(&self) {
        let mut signal = self.signal.lock().unwrap();
        while !*signal {
            signal = self.signalled.wait(signal).unwrap();
        }
        *signal = false;
    }

    /// As the reactor's loop: polls a task, which relies on wakes alone, until it has seen `wanted`.
    fn run(&self, wanted: usize, park: impl Fn(&Inbox<()>) -> bool) {
        let mut drained = Drained::default();
        // The first poll, that of a new task.
        let mut ready = true;
        loop {
            if ready && self.told.load(Ordering::Relaxed) == wanted {
                return;
            }
            if park(&self.inbox) {
                self.sleep();
                self.inbox.end_park();
            }
            self.inbox.drain(&mut drained);
            assert!(drained.names.len() <= 1, "one entry per task");
            ready = drained.names.drain(..).fold(false, |_, _| self.word.clear(GENERATION));
        }
    }
}

/// Two wakers and a reactor.
fn check(park: impl Fn(&Inbox<()>) -> bool + Send + Sync + Copy + 'static) {
    loom::model(move || {
        let model = Arc::new(Model::new());
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    model.told.fetch_add(1, Ordering::Relaxed);
                    model.wake();
                })
            })
            .collect();
        model.run(2, park);
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn no_wake_is_lost() {
    check(Inbox::begin_park);
}

/// The bug: parking without another look at the inbox.
#[test]
#[should_panic(expected = "deadlock")]
fn parking_without_a_look_loses_wakes() {
    check(|inbox| {
        let _ = inbox.begin_park();
        true
    });
}

/// A slot that is freed and used again while a stale waker is at work.
#[test]
fn a_stale_wake_leaves_the_next_task_alone() {
    loom::model(|| {
        let model = Arc::new(Model::new());
        let waker = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake())
        };
        let next = GENERATION + 1;
        model.word.retire(next);
        // The next task is woken by its own name only, and that must work.
        assert!(model.word.notify(next));
        assert!(model.word.clear(next));
        waker.join().unwrap();
        assert_eq!(model.word.generation(), next);
        let mut drained = Drained::default();
        model.inbox.drain(&mut drained);
        assert!(drained.names.len() <= 1);
        // Whatever came of the stale wake, it does not count for the new generation.
        assert!(!drained.names.drain(..).any(|_| model.word.clear(GENERATION)));
    });
}
