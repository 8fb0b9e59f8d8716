//! The three rules of the gate are needed: without each of them a wake-up is lost. One thread
//! of each model waits with what the queue gives to the gate, another without one part of it.

use super::super::gate::Gate;
use super::super::primitives::Deadline;
use super::super::store::Store;
use super::counter::Counter;
use super::explore_deeper as explore;

/// A queue whose putters do not wait.
struct Line {
    /// The values.
    store: Counter,
    /// Where getters wait.
    gate: Gate,
}

impl Line {
    /// An empty one.
    fn new() -> Self {
        Self { store: Counter::new(2), gate: Gate::default() }
    }

    /// Puts a value.
    fn put(&self) {
        self.store.push(()).expect("there are places enough");
        self.gate.notify();
    }

    /// Gets a value as the queue does.
    fn get(&self) -> u32 {
        self.gate.wait(Deadline::Never, || self.store.pop().ok(), || self.store.len() > 0);
        1
    }
}

/// With all of them, a value reaches a getter, two values reach two getters, and a getter whose
/// time is over takes no wake-up with it.
#[test]
fn with_all_rules_every_getter_returns() {
    const PUT: fn(&Line) -> u32 = |line| {
        line.put();
        0
    };
    explore(Line::new, &[Line::get, PUT], |_, got| assert_eq!(got, 1));
    super::explore(Line::new, &[Line::get, Line::get, PUT, PUT], |_, got| assert_eq!(got, 2));
}

/// Rule 1: a thread that is in line tries again.
#[test]
#[should_panic(expected = "deadlock")]
fn without_trying_again() {
    explore(
        Line::new,
        &[
            |line| {
                let mut is_first_time = true;
                let attempt = || {
                    let skips = std::mem::replace(&mut is_first_time, false);
                    if skips { None } else { line.store.pop().ok() }
                };
                line.gate.wait(Deadline::Never, attempt, || line.store.len() > 0);
                0
            },
            |line| {
                line.put();
                0
            },
        ],
        |_, _| {},
    );
}

/// Rule 2: whoever arrives looks whether there is more.
#[test]
#[should_panic(expected = "deadlock")]
fn without_looking_for_more() {
    /// Gets a value, and thinks of nobody else.
    fn get(line: &Line) -> u32 {
        line.gate.wait(Deadline::Never, || line.store.pop().ok(), || false);
        0
    }
    explore(
        Line::new,
        &[get, get, |line| {
            line.put();
            line.put();
            0
        }],
        |_, _| {},
    );
}

/// Rule 3: a thread that was told in the last moment gives its word on.
#[test]
#[should_panic(expected = "deadlock")]
fn without_giving_the_word_on() {
    explore(
        Line::new,
        &[
            Line::get,
            |line| {
                line.gate.wait(Deadline::Over, || None::<()>, || false);
                0
            },
            |line| {
                line.put();
                0
            },
        ],
        |_, _| {},
    );
}
