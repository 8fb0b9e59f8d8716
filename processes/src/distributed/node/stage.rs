//! Which calls of a node are begun.
//!
//! A node may have asked for more calls than it turns out to need: they take longer than the ones before, or
//! others have come first. Those wait here, and are given back when that takes long. Nobody has been asked yet
//! whether they may begin, so it costs them no attempt.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::pace::{AHEAD, Pace};

/// How long a call waits here before it is given back.
const PATIENCE: Duration = AHEAD.saturating_mul(2);

/// Counts the calls that are begun, or about to be.
#[derive(Debug)]
pub(super) struct Stage {
    /// How many calls may be here.
    pub(super) pace: Pace,
    /// Which are, in the order in which they have begun, or have come here.
    on: RefCell<BTreeSet<u64>>,
    /// The number of the next one.
    next: Cell<u64>,
    /// How many wait.
    waiting: Cell<usize>,
    /// Told when one of these may be let in.
    freed: Notify,
}

/// A call that is begun, or about to be, until this is dropped.
#[derive(Debug)]
pub(super) struct On<'a> {
    /// Where.
    stage: &'a Stage,
    /// Its number.
    number: Cell<u64>,
}

/// A call that waits, until this is dropped.
struct Waiting<'a>(&'a Stage);

impl Stage {
    /// One with so many workers.
    pub(super) fn new(slots: usize) -> Self {
        let (on, next) = (RefCell::default(), Cell::new(0));
        let (waiting, freed) = (Cell::new(0), Notify::new());
        Self { pace: Pace::new(slots), on, next, waiting, freed }
    }

    /// Waits until a call may begin, in the order in which they have come. None: that has taken too long.
    pub(super) async fn enter(&self) -> Option<On<'_>> {
        self.enter_within(PATIENCE).await
    }

    /// The same, with another time that is too long.
    async fn enter_within(&self, patience: Duration) -> Option<On<'_>> {
        if self.waiting.get() > 0 || !self.has_room() {
            let _waiting = Waiting::on(self);
            let free = async {
                loop {
                    self.freed.notified().await;
                    if self.has_room() {
                        break;
                    }
                }
            };
            timeout(patience, free).await.ok()?;
        }
        let on = On { stage: self, number: Cell::new(self.number()) };
        self.let_in();
        Some(on)
    }

    /// One more is here, with this number.
    fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        self.on.borrow_mut().insert(number);
        number
    }

    /// Whether one more may be here.
    fn has_room(&self) -> bool {
        self.on.borrow().len() < self.pace.limit(Instant::now())
    }

    /// Tells the first one that waits if it may come.
    fn let_in(&self) {
        if self.waiting.get() > 0 && self.has_room() {
            self.freed.notify_one();
        }
    }
}

impl On<'_> {
    /// It begins now, after those that have done so: others that have come later may have, while its argument
    /// was fetched or its client was asked.
    pub(super) fn begins(&self) {
        let before = self.number.replace(self.stage.number());
        self.stage.on.borrow_mut().remove(&before);
    }

    /// Whether as many calls as there are workers were here before it, and are.
    pub(super) fn is_behind_others(&self) -> bool {
        let (on, slots) = (self.stage.on.borrow(), self.stage.pace.slots());
        on.range(..self.number.get()).nth(slots - 1).is_some()
    }
}

impl<'a> Waiting<'a> {
    /// One more waits.
    fn on(stage: &'a Stage) -> Self {
        stage.waiting.set(stage.waiting.get() + 1);
        Self(stage)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Drop for On<'_> {
    fn drop(&mut self) {
        self.stage.on.borrow_mut().remove(&self.number.get());
        self.stage.let_in();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::runtime::Builder;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_mins(1);

    /// Runs this.
    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_time().build();
        LocalSet::new().block_on(&runtime.unwrap(), test);
    }

    #[test]
    fn calls_begin_in_the_order_in_which_they_have_come() {
        run(async {
            let (stage, order) = (Rc::new(Stage::new(2)), Rc::new(RefCell::new(Vec::new())));
            let mut first = vec![stage.enter().await, stage.enter().await];
            let come = |number| {
                let (stage, order) = (Rc::clone(&stage), Rc::clone(&order));
                spawn_local(async move {
                    let on = stage.enter_within(LONG).await;
                    order.borrow_mut().push((number, on.is_some()));
                    yield_now().await;
                })
            };
            let mut tasks: Vec<_> = (0..5).map(come).collect();
            yield_now().await;
            assert!(order.borrow().is_empty());
            assert!(first.pop().is_some());
            // There is room, but others were here before.
            tasks.push(come(5));
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.borrow(), (0..6).map(|n| (n, true)).collect::<Vec<_>>());
            drop(first);
            assert_eq!((stage.on.borrow().len(), stage.waiting.get()), (0, 0));
        });
    }

    #[test]
    fn as_many_as_there_are_workers_are_behind_nobody() {
        run(async {
            let stage = Stage::new(2);
            for _ in 0..100 {
                stage.pace.learn(Duration::ZERO, Instant::now() + LONG);
            }
            let mut all = Vec::new();
            for _ in 0..5 {
                all.extend(stage.enter().await);
            }
            let behind = |all: &[On<'_>]| all.iter().map(On::is_behind_others).collect::<Vec<_>>();
            assert_eq!(behind(&all), [false, false, true, true, true]);
            all.remove(1);
            assert_eq!(behind(&all), [false, false, true, true]);
            all[0].begins();
            assert_eq!(behind(&all), [true, false, false, true], "others have begun before it");
            drop(all);
            assert!(stage.on.borrow().is_empty());
        });
    }

    #[test]
    fn a_call_that_waits_for_too_long_is_given_back() {
        run(async {
            let stage = Stage::new(1);
            let on = stage.enter().await;
            let begun = Instant::now();
            assert!(stage.enter_within(Duration::from_millis(5)).await.is_none());
            assert!(begun.elapsed() >= Duration::from_millis(5));
            assert_eq!((stage.on.borrow().len(), stage.waiting.get()), (1, 0));
            drop(on);
            assert!(stage.enter().await.is_some(), "it has left nothing");
            assert_eq!((stage.on.borrow().len(), stage.waiting.get()), (0, 0));
        });
    }

    #[test]
    fn more_begin_as_soon_as_it_shows_that_they_are_short() {
        run(async {
            let stage = Stage::new(1);
            let on = stage.enter().await;
            let more = async {
                let more = (stage.enter_within(LONG).await, stage.enter_within(LONG).await);
                assert!(more.0.is_some() && more.1.is_some());
            };
            let ends = async {
                yield_now().await;
                assert_eq!(stage.waiting.get(), 1);
                // In the future, so that it is not over.
                let soon = Instant::now() + LONG;
                for _ in 0..10 {
                    stage.pace.learn(Duration::from_micros(10), soon);
                }
                drop(on);
            };
            tokio::join!(more, ends);
        });
    }
}
