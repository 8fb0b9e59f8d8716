//! Slots that are used again.

use loom::sync::Arc;
use loom::thread;

use super::{GENERATION, Model, name};
use crate::remote::Drained;

/// The next task in the slot.
const NEXT: u32 = GENERATION + 1;

/// The notified bit goes with the name, whether or not its entry was taken out. Nobody else is at the word: of a
/// load by one thread, and a load and a change by another one, loom does not try all orders.
#[test]
fn a_name_takes_its_bit_along() {
    loom::model(|| {
        for is_taken_out in [false, true] {
            let model = Model::new();
            model.wake(0, GENERATION);
            let mut drained = Drained::default();
            if is_taken_out {
                model.inbox.drain(&mut drained);
                assert!(model.words[0].clear(GENERATION));
            }
            model.words[0].retire(NEXT);
            assert!(!model.words[0].clear(GENERATION) && !model.words[0].clear(NEXT));
            assert!(!model.words[0].notify(GENERATION), "it is void");
            assert!(model.words[0].notify(NEXT), "the bit is that of the task before");
            assert!(model.words[0].clear(NEXT) && !model.words[0].clear(NEXT));
        }
    });
}

/// A task ends and the next one in its slot is woken, while a waker of the first one is used. The
/// stale wake may leave an entry behind, which is void, but must not touch the bit of the next task.
#[test]
fn a_stale_wake_costs_the_next_task_nothing() {
    loom::model(|| {
        let model = Arc::new(Model::new());
        let stale = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake(0, GENERATION))
        };
        model.words[0].retire(NEXT);
        assert!(model.words[0].notify(NEXT), "the first wake of the next task has to be pushed");
        model.inbox.push_name(name(0, NEXT));
        assert!(!model.words[0].notify(NEXT), "the second one finds it there");
        stale.join().unwrap();
        let mut drained = Drained::default();
        model.inbox.drain(&mut drained);
        let of_next = drained.names.iter().filter(|&&found| found == name(0, NEXT)).count();
        assert_eq!(of_next, 1, "one entry per task");
        assert!(!model.words[0].clear(GENERATION), "the stale entry is void");
        assert!(model.words[0].clear(NEXT), "the task is polled");
        assert_eq!(model.words[0].generation(), NEXT);
    });
}

/// The same with a wake of the next task by another thread, to which its name was given, while the reactor
/// goes on: the task is polled then, and sees what it was told.
#[test]
fn a_stale_wake_holds_up_no_wake_of_the_next_task() {
    loom::model(|| {
        let model = Arc::new(Model::new());
        let stale = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake(0, GENERATION))
        };
        // An entry of the old task may be there, and is void from the next line on.
        model.words[0].retire(NEXT);
        let waker = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake(0, NEXT))
        };
        let mut drained = Drained::default();
        let mut polls = 0;
        let mut take_in = || {
            model.inbox.drain(&mut drained);
            for found in drained.names.drain(..) {
                let generation = if found == name(0, NEXT) { NEXT } else { GENERATION };
                polls += usize::from(model.words[0].clear(generation));
            }
        };
        take_in();
        stale.join().unwrap();
        waker.join().unwrap();
        take_in();
        assert_eq!(polls, 1, "one wake is one poll");
    });
}
