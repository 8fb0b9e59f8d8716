//! What no pool should have trouble with.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    thread,
};

use crate::{fork::Fork, system::stay_on_one_core};

/// Depth of what is forked; it has this power of two leaves.
const DEPTH: u32 = 12;

/// How often.
const ROUNDS: u32 = 20;

/// Leaves of a recursion.
fn leaves<F: Fork>(depth: u32) -> u32 {
    if depth == 0 {
        return 1;
    }
    let (a, b) = F::join(|| leaves::<F>(depth - 1), || leaves::<F>(depth - 1));
    a + b
}

/// Recursions on so many workers.
fn recursions<F: Fork>(workers: usize) {
    let pool = F::start(workers);
    for _ in 0..ROUNDS {
        assert_eq!(pool.run(|| leaves::<F>(DEPTH)), 1 << DEPTH);
    }
}

/// One of the closures panics, or both do; then the pool goes on.
pub(crate) fn panics<F: Fork>() {
    let panic_if = |panics: bool| {
        if panics {
            resume_unwind(Box::new("planned"))
        }
    };
    let pool = F::start(2);
    for arms in [(true, false), (false, true), (true, true)].repeat(ROUNDS as usize) {
        let caught = pool.run(move || {
            let join = || F::join(|| panic_if(arms.0), || panic_if(arms.1));
            catch_unwind(AssertUnwindSafe(join)).is_err()
        });
        assert!(caught);
        assert_eq!(pool.run(|| leaves::<F>(DEPTH)), 1 << DEPTH);
    }
}

/// Each of two pools waits for the other one, in turn.
pub(crate) fn nested<F: Fork>() {
    fn through<F: Fork>(a: &F, b: &F, depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        a.install(|| {
            let (x, y) = F::join(|| through(b, a, depth - 1), || through(b, a, depth - 1));
            x + y
        })
    }
    let (a, b) = (Arc::new(F::start(2)), Arc::new(F::start(1)));
    let inner = Arc::clone(&a);
    assert_eq!(a.run(move || through(&*inner, &*b, 8)), 1 << 8);
}

/// Twice as many workers as there are processors.
pub(crate) fn oversubscribed<F: Fork>() {
    recursions::<F>(2 * thread::available_parallelism().map_or(1, usize::from));
}

/// Four workers on one processor.
pub(crate) fn one_core<F: Fork>() {
    stay_on_one_core().expect("a thread may choose among its processors");
    recursions::<F>(4);
}
