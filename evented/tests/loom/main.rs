//! A model of the protocol by which other threads wake a reactor: `src/remote`, compiled with loom's
//! primitives. Run with
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p evented --release --test loom --target-dir target/loom
//! ```
//!
//! The models take seconds; what takes minutes, once, is the build. The target folder of its own keeps
//! the flag from rebuilding everything else.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

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
    // Three forced switches at any points; without a bound the model takes hours.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
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

/// A task ends and the next one in its slot is woken, while a waker of the first one is used. The
/// stale wake may leave an entry behind, which is void, but must not touch the bit of the next task.
#[test]
fn a_stale_wake_costs_the_next_task_nothing() {
    const NEXT: u32 = GENERATION + 1;
    loom::model(|| {
        let model = Arc::new(Model::new());
        let stale = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake())
        };
        model.word.retire(NEXT);
        assert!(model.word.notify(NEXT), "the first wake of the next task has to be pushed");
        model.inbox.push_name(u64::from(NEXT));
        assert!(!model.word.notify(NEXT), "the second one finds it there");
        stale.join().unwrap();
        let mut drained = Drained::default();
        model.inbox.drain(&mut drained);
        let of_next = drained.names.iter().filter(|&&name| name == u64::from(NEXT)).count();
        assert_eq!(of_next, 1, "one entry per task");
        assert!(!model.word.clear(GENERATION), "the stale entry is void");
        assert!(model.word.clear(NEXT), "the task is polled");
    });
}

/// The bug: parking without another look at the inbox. In a process of its own, because loom reports
/// a deadlock by a panic that its own destructors turn into an abort.
#[test]
fn parking_without_a_look_loses_wakes() {
    const MARK: &str = "EVENTED_LOOM_PLANTED_BUG";
    if std::env::var_os(MARK).is_some() {
        return check(|inbox| {
            let _ = inbox.begin_park();
            true
        });
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["parking_without_a_look_loses_wakes", "--exact", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the planted bug was not found");
    assert!(errors.contains("deadlock"), "it failed for another reason: {errors}");
}
