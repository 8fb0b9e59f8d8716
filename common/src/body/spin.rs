//! Computing: a chain of xorshift64* steps (Vigna, "An experimental exploration of Marsaglia's
//! xorshift generators, scrambled", TOMS 2016) in which each step needs the one before, so that no
//! compiler and no processor shortens it.

use crate::{Io, Spin, Spread, rng::mix};

/// Steps between two [`Io::yield_now`]: some tens of microseconds in Rust, some milliseconds in
/// Python.
pub const SLICE: u64 = 16_384;

/// How much longer than the others the straggler is.
const STRAGGLER: u64 = 16;

/// `iterations` steps from `start`, in slices.
pub async fn spin<I: Io>(io: &I, start: u64, iterations: u64) -> u64 {
    let (mut state, mut left) = (start | 1, iterations);
    while left > SLICE {
        state = steps(state, SLICE);
        left -= SLICE;
        io.yield_now().await;
    }
    steps(state, left)
}

/// `count` steps without a break.
pub(crate) fn steps(mut state: u64, count: u64) -> u64 {
    for _ in 0..count {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
    }
    state
}

/// How many steps the task `index` takes.
///
/// All spreads but [`Spread::Straggler`] take `iterations` on average. Skewed: half a share for
/// seven tasks in eight, four and a half shares for the eighth.
pub fn iterations_of(task: &Spin, seed: u64, index: u64) -> u64 {
    match task.spread {
        Spread::Skewed if mix(seed ^ mix(index)).is_multiple_of(8) => task.iterations * 9 / 2,
        Spread::Skewed => task.iterations / 2,
        Spread::Straggler if index + 1 == task.tasks => task.iterations * STRAGGLER,
        Spread::Uniform | Spread::Straggler => task.iterations,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockingIo, drive};

    #[test]
    fn slices_change_nothing() {
        let io: BlockingIo = BlockingIo::default();
        for count in [0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE + 17] {
            assert_eq!(drive(spin(&io, 42, count)), steps(43, count));
        }
    }

    #[test]
    fn skewed_work_is_about_the_average_in_total() {
        let task = Spin { iterations: 1_000, tasks: 4_096, spread: Spread::Skewed };
        let total: u64 = (0..task.tasks).map(|index| iterations_of(&task, 1, index)).sum();
        let even = task.iterations * task.tasks;
        assert!(total > even * 9 / 10 && total < even * 11 / 10, "{total} against {even}");
    }
}
