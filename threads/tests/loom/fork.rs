//! Forked work: a branch runs once, whether it is retracted or taken; who waits for its
//! end, or for that of a scope's tasks, learns of it; and nobody touches a frame that has
//! ended.

use crate::PREEMPTIONS;
use crate::board::Board;
use crate::count::{By, Count};
use crate::deadline::Deadline;
use crate::done::Done;
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread::{self, Thread};
use std::sync::Arc;
use std::time::Duration;

/// Explores `body`.
fn explore(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(body);
}

/// A frame in which branches lie. Loom reports accesses that could happen at the same time.
struct Frame {
    /// What is on the board: numbers of branches.
    board: Board<usize>,
    /// The branches.
    branches: Vec<Branch>,
    /// Read by those who use the frame; written when it ends.
    life: UnsafeCell<bool>,
    /// Who waits.
    owner: Thread,
}

/// A branch whose closure is a number, which its result has to be, too.
struct Branch {
    /// The closure: taken once.
    closure: UnsafeCell<Option<u32>>,
    /// The result.
    result: UnsafeCell<Option<u32>>,
    /// Whether it has ended.
    done: Done,
}

// SAFETY: that access is exclusive where it has to be is what loom checks.
unsafe impl Sync for Frame {}
// SAFETY: as above.
unsafe impl Send for Frame {}

impl Frame {
    /// A frame of the calling thread with this many branches, all of them on the board.
    fn new(branches: usize) -> Arc<Self> {
        let make = |number| Branch {
            closure: UnsafeCell::new(u32::try_from(number).ok()),
            result: UnsafeCell::new(None),
            done: Done::new(),
        };
        let frame = Arc::new(Self {
            board: Board::new(),
            branches: (0..branches).map(make).collect(),
            life: UnsafeCell::new(true),
            owner: thread::current(),
        });
        (0..branches).for_each(|number| frame.board.push(number));
        frame
    }

    /// Whoever has the right to a closure takes it.
    fn closure(&self, number: usize) -> u32 {
        // SAFETY: loom checks that nobody else does.
        let closure =
            self.branches[number].closure.with_mut(|closure| unsafe { (*closure).take() });
        closure.expect("a closure is taken once")
    }

    /// What a worker does: takes one from the board and runs it.
    fn steal(&self) {
        let owner = self.owner.clone();
        let Some(number) = self.board.take() else { return };
        // SAFETY: loom checks that the frame does not end at the same time.
        assert!(self.life.with(|life| unsafe { *life }));
        let value = self.closure(number);
        let branch = &self.branches[number];
        // SAFETY: loom checks that nobody else writes or reads it.
        branch.result.with_mut(|result| unsafe { *result = Some(value) });
        if branch.done.set() {
            owner.unpark();
        }
    }

    /// What the frame's thread does in the end, last branch first.
    fn finish(&self, patience: Deadline) {
        for number in (0..self.branches.len()).rev() {
            let expected = u32::try_from(number).ok();
            if self.board.retract(|entry| *entry == number) {
                assert_eq!(Some(self.closure(number)), expected);
                continue;
            }
            let branch = &self.branches[number];
            if !branch.done.wait(patience) {
                assert!(branch.done.wait(Deadline::Never));
            }
            // SAFETY: loom checks that nobody writes it at the same time.
            assert_eq!(branch.result.with(|result| unsafe { *result }), expected);
        }
        // SAFETY: loom checks that nobody reads it any more.
        self.life.with_mut(|life| unsafe { *life = false });
    }
}

/// Explores one frame and so many workers that steal once each.
fn explore_branches(branches: usize, workers: usize, patience: fn() -> Deadline) {
    explore(move || {
        let frame = Frame::new(branches);
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                let frame = Arc::clone(&frame);
                thread::spawn(move || frame.steal())
            })
            .collect();
        frame.finish(patience());
        for worker in workers {
            worker.join().expect("no assertion of a worker fails");
        }
    });
}

#[test]
fn a_branch_is_retracted_or_taken() {
    explore_branches(1, 1, || Deadline::Never);
}

#[test]
fn two_workers_and_two_branches() {
    explore_branches(2, 2, || Deadline::Never);
}

/// The owner blocks for a moment with its seat, then without.
#[test]
fn who_waits_twice_learns_of_the_end() {
    explore_branches(1, 1, || Deadline::after(Duration::ZERO));
}

/// A scope whose tasks are numbers on a board.
struct Scope {
    /// The tasks.
    board: Board<u32>,
    /// How many have not ended.
    count: Count,
    /// The sum of those that were run, each of which has its bit.
    ran: loom::sync::atomic::AtomicUsize,
    /// Read by those who use the scope; written when it ends.
    life: UnsafeCell<bool>,
    /// Who waits.
    owner: Thread,
}

// SAFETY: that access is exclusive where it has to be is what loom checks.
unsafe impl Sync for Scope {}
// SAFETY: as above.
unsafe impl Send for Scope {}

impl Scope {
    /// Spawns a task.
    fn spawn(&self, task: u32, by: By) {
        self.count.spawned(by);
        self.board.push(task);
    }

    /// Runs a task, if there is one. The first one spawns another.
    fn run(&self, by: By) -> bool {
        let owner = self.owner.clone();
        let Some(task) = self.board.take() else { return false };
        // SAFETY: loom checks that the scope does not end at the same time.
        assert!(self.life.with(|life| unsafe { *life }));
        self.ran.fetch_add(1 << task, loom::sync::atomic::Ordering::Relaxed);
        if task == 0 {
            self.spawn(2, by);
        }
        if self.count.ended(by) {
            owner.unpark();
        }
        true
    }

    /// The owner runs what is left and waits for the others.
    fn finish(&self, patience: Deadline) {
        while !self.count.is_zero() {
            if !self.run(By::Owner) && !self.count.wait(patience, || false) {
                assert!(self.count.wait(Deadline::Never, || false));
            }
        }
        assert_eq!(self.ran.load(loom::sync::atomic::Ordering::Relaxed), 0b111);
        // SAFETY: loom checks that nobody reads it any more.
        self.life.with_mut(|life| unsafe { *life = false });
    }
}

/// Explores a scope with three tasks, one of them spawned by another, and a worker that runs
/// up to two.
fn explore_scope(patience: fn() -> Deadline) {
    explore(move || {
        let scope = Arc::new(Scope {
            board: Board::new(),
            count: Count::new(),
            ran: loom::sync::atomic::AtomicUsize::new(0),
            life: UnsafeCell::new(true),
            owner: thread::current(),
        });
        scope.spawn(0, By::Owner);
        scope.spawn(1, By::Owner);
        let worker = {
            let scope = Arc::clone(&scope);
            // Until nothing is left: what it has spawned it runs itself, if nobody else does.
            thread::spawn(move || while scope.run(By::Other) {})
        };
        scope.finish(patience());
        worker.join().expect("no assertion of the worker fails");
    });
}

#[test]
fn a_scope_ends_when_all_its_tasks_have() {
    explore_scope(|| Deadline::Never);
}

#[test]
fn a_scope_that_is_waited_for_twice() {
    explore_scope(|| Deadline::after(Duration::ZERO));
}
