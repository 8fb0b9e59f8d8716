//! Samples that fall into two heaps.

use super::median::sorted;

/// How many times wider than each heap the gap between them must be.
const GAP: f64 = 2.0;

/// The fewest values on each side of a gap that make it a heap and not an outlier.
const LEAST_SIDE: usize = 3;

/// The fewest values that can show two heaps.
const LEAST: usize = 8;

/// How far the values around the gap must lie apart, as a ratio.
const STEP: f64 = 1.05;

/// Whether a sample looks like one heap or like two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Modes {
    /// No sign of two heaps. With fewer than eight values that is all that can be said.
    One,
    /// Two heaps: a median between them describes neither.
    Two {
        /// The largest value of the lower heap.
        low_end: f64,
        /// The smallest value of the upper heap.
        high_start: f64,
        /// How many of the values lie in the upper heap.
        upper: usize,
    },
}

/// Looks for two heaps in the logarithms of positive `values`; others are ignored.
///
/// A sample has two heaps if one gap between neighbouring values, with at least a quarter of the
/// values and never fewer than three on each side, is more than twice as wide as everything on its
/// left taken together, and as everything on its right, and the two values around it differ by more
/// than 5 %. Logarithms, because times are skewed: a long tail is no second heap.
///
/// The rule is conservative. It misses heaps that overlap or that hold an outlier of their own;
/// samples of one normal, lognormal, uniform or exponential heap are flagged in less than 2 % of
/// the cases from eight values on (the tests count them).
pub fn modes(values: &[f64]) -> Modes {
    let positive: Vec<f64> =
        values.iter().copied().filter(|value| value.is_finite() && *value > 0.0).collect();
    let sorted = sorted(&positive);
    let n = sorted.len();
    if n < LEAST {
        return Modes::One;
    }
    let side = LEAST_SIDE.max(n.div_ceil(4));
    let logs: Vec<f64> = sorted.iter().map(|value| value.ln()).collect();
    let gap = |upper_start: usize| logs[upper_start] - logs[upper_start - 1];
    let Some(widest) = (side..=n - side).max_by(|&a, &b| gap(a).total_cmp(&gap(b))) else {
        return Modes::One;
    };
    let (left, right) = (logs[widest - 1] - logs[0], logs[n - 1] - logs[widest]);
    if gap(widest) > (GAP * left.max(right)).max(STEP.ln()) {
        let (low_end, high_start) = (sorted[widest - 1], sorted[widest]);
        Modes::Two { low_end, high_start, upper: n - widest }
    } else {
        Modes::One
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use common::rng::SplitMix64;

    #[test]
    fn two_heaps_are_seen() {
        let values = [10.0, 31.0, 10.2, 30.0, 9.9, 10.1, 30.5, 10.0];
        assert_eq!(modes(&values), Modes::Two { low_end: 10.2, high_start: 30.0, upper: 3 });
    }

    #[test]
    fn an_outlier_is_no_heap() {
        assert_eq!(modes(&[10.0, 10.1, 10.2, 9.9, 10.0, 10.1, 9.8, 90.0]), Modes::One);
        assert_eq!(modes(&[10.0, 10.1, 10.2, 9.9, 10.0, 10.1, 91.0, 90.0]), Modes::One);
    }

    #[test]
    fn steps_nobody_would_notice_are_no_heaps() {
        assert_eq!(modes(&[1.00, 1.00, 1.00, 1.00, 1.04, 1.04, 1.04, 1.04]), Modes::One);
        assert_ne!(modes(&[1.00, 1.00, 1.00, 1.00, 1.06, 1.06, 1.06, 1.06]), Modes::One);
    }

    #[test]
    fn few_values_show_nothing() {
        assert_eq!(modes(&[1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0]), Modes::One);
        assert_eq!(modes(&[]), Modes::One);
    }

    /// How many of 10,000 samples of `n` values are flagged.
    fn flagged(n: usize, draw: impl Fn(&mut SplitMix64) -> f64) -> usize {
        let mut random = SplitMix64::new(20_260_101);
        (0..10_000)
            .map(|_| (0..n).map(|_| draw(&mut random)).collect::<Vec<f64>>())
            .filter(|values| modes(values) != Modes::One)
            .count()
    }

    /// A standard normal value (Box and Muller).
    fn normal(random: &mut SplitMix64) -> f64 {
        let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.unit()).cos()
    }

    #[test]
    fn one_heap_is_rarely_taken_for_two() {
        for n in [8, 9, 12, 20, 30] {
            let heaps = [
                ("normal", flagged(n, |random| (100.0 + 10.0 * normal(random)).max(1.0))),
                ("lognormal", flagged(n, |random| normal(random).exp())),
                ("uniform", flagged(n, |random| 1.0 + random.unit())),
                ("exponential", flagged(n, |random| -(1.0 - random.unit()).ln())),
            ];
            for (name, count) in heaps {
                assert!(count < 200, "{name}, {n} values: {count} of 10,000");
            }
        }
    }

    #[test]
    fn heaps_far_apart_are_nearly_always_seen() {
        let two = |random: &mut SplitMix64| {
            let centre = if random.below(2) == 0 { 100.0 } else { 200.0 };
            centre + 5.0 * normal(random)
        };
        // A heap of fewer than a quarter is missed on purpose.
        assert!(flagged(20, two) > 9_000, "{}", flagged(20, two));
    }

    proptest! {
        #[test]
        fn the_unit_and_the_order_do_not_matter(
            low in prop::collection::vec(1.0..1.02_f64, 4..12),
            high in prop::collection::vec(1.0..1.02_f64, 4..12),
            apart in 2.0..100.0_f64,
            unit in 1e-6..1e6_f64,
        ) {
            prop_assume!(low.len().min(high.len()) * 3 >= low.len().max(high.len()));
            let upper = high.len();
            let values: Vec<f64> =
                high.iter().map(|value| value * apart).chain(low).map(|value| value * unit).collect();
            let Modes::Two { low_end, high_start, upper: found } = modes(&values) else {
                return Err(TestCaseError::fail("two heaps look like one"));
            };
            prop_assert_eq!(found, upper);
            prop_assert!(high_start > 1.5 * low_end);
        }
    }
}
