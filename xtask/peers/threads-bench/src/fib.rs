//! Fibonacci's numbers by their definition, with a join at each call that is not a leaf.

use std::hint::black_box;

use sampler::Tally;

use crate::join::Work;

/// The number that is asked for.
const N: u64 = 20;

/// The right answer.
const ANSWER: u64 = 6_765;

/// The twentieth number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fib;

/// Without any joins.
fn serial(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    serial(n - 1) + serial(n - 2)
}

/// With ours.
fn ours(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = threads::join(|| ours(n - 1), || ours(n - 2));
    a + b
}

/// With that of rayon.
fn rayon(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| rayon(n - 1), || rayon(n - 2));
    a + b
}

/// With that of chili, which calls its second closure first.
fn chili(n: u64, scope: &mut chili::Scope<'_>) -> u64 {
    if n < 2 {
        return n;
    }
    let (b, a) = scope.join(|scope| chili(n - 2, scope), |scope| chili(n - 1, scope));
    a + b
}

impl Work for Fib {
    const UNIT: &'static str = "call";
    /// Of which [`ANSWER`] end in a one.
    const UNITS: u64 = 21_891;

    fn prepare() -> Self {
        Self
    }

    fn serial(self) -> u64 {
        serial(black_box(N))
    }

    fn ours(self) -> u64 {
        ours(black_box(N))
    }

    fn rayon(self) -> u64 {
        rayon(black_box(N))
    }

    fn chili(self, scope: &mut chili::Scope<'_>) -> u64 {
        chili(black_box(N), scope)
    }

    fn found(result: u64) -> Tally {
        Tally { count: if result == ANSWER { Self::UNITS } else { 0 }, sum: result }
    }

    fn expected() -> Tally {
        Tally { count: Self::UNITS, sum: ANSWER }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// As [`serial`], and counts its calls.
    fn counted(n: u64, calls: &Cell<u64>) -> u64 {
        calls.set(calls.get() + 1);
        if n < 2 { n } else { counted(n - 1, calls) + counted(n - 2, calls) }
    }

    #[test]
    fn the_answer_and_the_calls_are_right() {
        let calls = Cell::new(0);
        assert_eq!((counted(N, &calls), calls.get()), (ANSWER, Fib::UNITS));
    }
}
