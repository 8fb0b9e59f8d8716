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

mod calls;
#[path = "../../src/remote/mod.rs"]
mod remote;
mod slots;

use std::mem;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use remote::{Drained, Inbox, Word};

/// The reactor's id.
const READER: u64 = 1;
/// The generation of its tasks.
const GENERATION: u32 = 5;
/// How many tasks it has.
const TASKS: usize = 2;

/// Stands for the eventfd: set by unpark, waited for and cleared by the driver.
#[derive(Default)]
struct Bell {
    /// Whether it rings, and how often it began to.
    state: Mutex<(bool, usize)>,
    rung: Condvar,
}

impl Bell {
    /// As `Unpark::unpark`. To write to an eventfd takes longer than all else that a wake does: it has to be
    /// done once for a reactor that sleeps, and never for one that does not.
    fn ring(&self) {
        let mut state = self.state.lock().unwrap();
        assert!(!state.0, "a reactor is unparked once");
        *state = (true, state.1 + 1);
        self.rung.notify_one();
    }

    /// As the driver's wait without a timeout.
    fn wait(&self) {
        let mut state = self.state.lock().unwrap();
        while !state.0 {
            state = self.rung.wait(state).unwrap();
        }
        state.0 = false;
    }

    /// After everything: whether each ring has ended a sleep.
    fn has_woken(&self, sleeps: usize) -> bool {
        *self.state.lock().unwrap() == (false, sleeps)
    }
}

/// What the reactor and the wakers share.
struct Model {
    inbox: Inbox<u32>,
    words: [Word; TASKS],
    bell: Bell,
    /// What the wakers tell each task; it has to see all of it.
    told: [AtomicUsize; TASKS],
}

/// The name of a task.
fn name(task: usize, generation: u32) -> u64 {
    (task as u64) << 32 | u64::from(generation)
}

impl Model {
    fn new() -> Self {
        let inbox = Inbox::default();
        inbox.open(READER);
        let word = || {
            let word = Word::default();
            word.retire(GENERATION);
            word
        };
        let words = [word(), word()];
        let told = [AtomicUsize::new(0), AtomicUsize::new(0)];
        Self { inbox, words, bell: Bell::default(), told }
    }

    /// As `mailbox::wake`.
    fn wake(&self, task: usize, generation: u32) {
        if self.words[task].notify(generation) && self.inbox.push_name(name(task, generation)) {
            self.bell.ring();
        }
    }

    /// As the reactor's `drain_inbox`. Notes which tasks are ready.
    fn take_in(&self, drained: &mut Drained<u32>, ready: &mut [bool; TASKS]) {
        if !self.inbox.is_pending() {
            return;
        }
        self.inbox.drain(drained);
        let mut names = mem::take(&mut drained.names);
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "one entry per task");
        for task in (0..TASKS).filter(|&task| names.contains(&name(task, GENERATION))) {
            ready[task] |= self.words[task].clear(GENERATION);
        }
    }

    /// As the reactor's loop: polls tasks, which rely on wakes alone, until they have seen `wanted`.
    fn run(&self, wanted: [usize; TASKS], park: impl Fn(&Inbox<u32>) -> bool) -> usize {
        let mut drained = Drained::default();
        // The first polls, those of new tasks.
        let (mut ready, mut done, mut sleeps) = ([true; TASKS], [false; TASKS], 0);
        loop {
            self.take_in(&mut drained, &mut ready);
            if ready == [false; TASKS] {
                if park(&self.inbox) {
                    self.bell.wait();
                    sleeps += 1;
                    self.inbox.end_park();
                }
                self.take_in(&mut drained, &mut ready);
            }
            for task in 0..TASKS {
                let is_polled = mem::take(&mut ready[task]);
                done[task] |= is_polled && self.told[task].load(Ordering::Relaxed) == wanted[task];
            }
            if done == [true; TASKS] {
                return sleeps;
            }
        }
    }
}

/// A reactor and two wakers, of these tasks.
fn check(wakers: [usize; 2], park: impl Fn(&Inbox<u32>) -> bool + Send + Sync + Copy + 'static) {
    // Three forced switches at any points; without a bound the model takes hours.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let model = Arc::new(Model::new());
        let mut wanted = [0; TASKS];
        let wakers = wakers.map(|task| {
            wanted[task] += 1;
            let model = Arc::clone(&model);
            thread::spawn(move || {
                model.told[task].fetch_add(1, Ordering::Relaxed);
                model.wake(task, GENERATION);
            })
        });
        let sleeps = model.run(wanted, park);
        for waker in wakers {
            waker.join().unwrap();
        }
        assert!(model.bell.has_woken(sleeps), "only a reactor that sleeps is unparked");
    });
}

#[test]
fn no_wake_is_lost() {
    check([0, 0], Inbox::begin_park);
}

#[test]
fn no_wake_of_another_task_is_lost() {
    check([0, 1], Inbox::begin_park);
}

/// The bug: parking without another look at the inbox. In a process of its own, because loom reports
/// a deadlock by a panic that its own destructors turn into an abort.
#[test]
fn parking_without_a_look_loses_wakes() {
    const MARK: &str = "EVENTED_LOOM_PLANTED_BUG";
    if std::env::var_os(MARK).is_some() {
        return check([0, 0], |inbox| {
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
