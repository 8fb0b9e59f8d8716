//! The loop of all operations: blocks, and dividing between them.

use crate::slices::divide::Divide;
use crate::slices::pace::Pace;
use crate::slices::workers::Workers;
use std::mem;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// What an operation does with its items, and what it has made of those it has seen.
///
/// There is one for each row of items that was divided off. It sees them in order.
pub(super) trait Fold<I: Divide>: Send + Sized {
    /// Does the next items.
    fn block(&mut self, items: I);

    /// One for what comes after the next `ahead` items. This one goes on with these.
    fn divide(&mut self, ahead: usize) -> Self;

    /// Takes what was made of the items that follow those of this one.
    fn append(&mut self, behind: Self);

    /// Whether the items that are left need not be seen. May be called often.
    fn is_over(&self) -> bool {
        false
    }
}

/// Has `fold` see all items, and returns it in the end, complete.
///
/// When `fold` panics for some item, the panic goes on in the caller; other rows that were
/// divided off stop after their block.
pub(super) fn drive<W: Workers, I: Divide, F: Fold<I>>(workers: W, items: I, fold: F) -> F {
    let stop = AtomicBool::new(false);
    let left = items.length();
    Drive { workers, stop: &stop }.run(items, left, fold, Pace::new())
}

/// What the rows of one operation share.
#[derive(Clone, Copy)]
struct Drive<'a, W> {
    /// Who may take part.
    workers: W,
    /// Set when one row has unwound: the result of the others is not needed. Publishes
    /// nothing, hence relaxed.
    stop: &'a AtomicBool,
}

impl<W: Workers> Drive<'_, W> {
    /// Does one row, of which `left` items are left. They are counted here, and not asked for
    /// each time, so that this ends whatever an implementation of [`Divide`] tells.
    fn run<I, F>(self, mut items: I, mut left: usize, mut fold: F, mut pace: Pace) -> F
    where
        I: Divide,
        F: Fold<I>,
    {
        let alarm = Alarm(self.stop);
        while left > 0 && !self.stop.load(Relaxed) && !fold.is_over() {
            self.workers.checkpoint();
            if pace.is_work(left) && self.workers.demand() {
                fold = self.divide(items, left, fold, pace);
                break;
            }
            let block = pace.block(left);
            let (now, later) = items.divide_at(block);
            fold.block(now);
            items = later;
            left -= block;
            if left == 0 {
                break; // Without a look at the clock.
            }
            pace.advance(block);
        }
        mem::forget(alarm);
        fold
    }

    /// Does the two halves of a row, the far one perhaps elsewhere.
    fn divide<I, F>(self, items: I, left: usize, mut fold: F, pace: Pace) -> F
    where
        I: Divide,
        F: Fold<I>,
    {
        let middle = left.div_ceil(2);
        let (near, far) = items.divide_at(middle);
        let behind = fold.divide(middle);
        let (mut fold, behind) = self.workers.join_shared(
            || self.run(near, middle, fold, pace.again()),
            || self.run(far, left - middle, behind, pace.again()),
        );
        fold.append(behind);
        fold
    }
}

/// Tells the other rows when it is dropped, which happens when this one unwinds.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
