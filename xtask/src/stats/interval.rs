//! Where the true median may lie, and how sure that is.

use super::median::sorted;

/// The coverage an interval must reach before it may claim one.
const WANTED: f64 = 0.95;

/// Two bounds of a median, with what is known about them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound, one of the values.
    pub low: f64,
    /// The upper bound, one of the values; never below `low`.
    pub high: f64,
    /// What the two bounds promise.
    pub level: Level,
}

/// What an [`Interval`] promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// The order-statistic (sign-test) interval of the median: it holds the true median with at
    /// least this probability, whatever the distribution, if the values are independent.
    Sign {
        /// The exact binomial coverage for continuous values, at least 0.95; ties only raise it.
        coverage: f64,
    },
    /// The smallest and the largest of too few values. No coverage is claimed.
    Range,
}

impl Interval {
    /// The interval of the median of `values`; `None` without values.
    ///
    /// From six values on it is the narrowest pair of order statistics, equally far from both
    /// ends, whose coverage reaches 95 % ([`Level::Sign`]). The coverage is
    /// `1 - 2 P(Bin(n, 1/2) < k)` for the `k`-th smallest and the `k`-th largest value (David and
    /// Nagaraja, *Order Statistics*, 3rd ed., section 7.1). Below six not even the range gets
    /// there: five values give 93.75 % ([`Level::Range`]).
    ///
    /// There is no bootstrap: a percentile bootstrap of the median has no guaranteed coverage and
    /// covers less than it says at the usual number of rounds, while this one is exact at every
    /// number of values, needs no seed, and does not depend on the order of the rounds.
    ///
    /// # Panics
    ///
    /// If a value is not a number.
    pub fn of_median(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let (&smallest, &largest) = (sorted.first()?, sorted.last()?);
        let range = Self { low: smallest, high: largest, level: Level::Range };
        Some(depth(sorted.len()).map_or(range, |(k, coverage)| Self {
            low: sorted[k - 1],
            high: sorted[sorted.len() - k],
            level: Level::Sign { coverage },
        }))
    }

    /// The same interval with both bounds passed through a rising function.
    pub(super) fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self { low: rising(self.low), high: rising(self.high), level: self.level }
    }
}

/// The largest `k` for which the `k`-th smallest and `k`-th largest of `n` values still cover the
/// median as often as [`WANTED`], with that coverage; `None` if not even the range does.
fn depth(n: usize) -> Option<(usize, f64)> {
    let mut best = None;
    // ln C(n, k - 1) - n ln 2: in logarithms, since 2^-n underflows beyond a thousand values.
    let mut log_mass = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    for k in 1..=n.div_ceil(2) {
        below += log_mass.exp();
        let coverage = 1.0 - 2.0 * below;
        if coverage < WANTED {
            break;
        }
        best = Some((k, coverage));
        log_mass += ((n - k + 1) as f64 / k as f64).ln();
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::median;
    use common::rng::SplitMix64;

    /// The ranks of the two bounds among `n` values, and the coverage.
    fn ranks(n: usize) -> (usize, usize, f64) {
        let (k, coverage) = depth(n).unwrap();
        (k, n + 1 - k, coverage)
    }

    #[test]
    fn ranks_are_those_of_the_tables() {
        // Conover, *Practical Nonparametric Statistics*: ranks of the 95 % interval of the median.
        for (n, low, high, coverage) in [
            (6, 1, 6, 0.968_75),
            (8, 1, 8, 0.992_187_5),
            (9, 2, 8, 0.960_937_5),
            (12, 3, 10, 0.961_425_781_25),
            (20, 6, 15, 0.958_610_534_667_968_8),
            (30, 10, 21, 0.957_226_054_742_932_3),
        ] {
            let found = ranks(n);
            assert_eq!((found.0, found.1), (low, high), "{n} values");
            assert!((found.2 - coverage).abs() < 1e-12, "{n} values: {}", found.2);
        }
    }

    #[test]
    fn few_values_claim_nothing() {
        assert_eq!(Interval::of_median(&[]), None);
        for n in 1..6 {
            let values: Vec<f64> = (0..n).map(f64::from).collect();
            let interval = Interval::of_median(&values).unwrap();
            assert_eq!((interval.low, interval.high), (0.0, f64::from(n - 1)));
            assert_eq!(interval.level, Level::Range, "{n} values");
        }
    }

    #[test]
    fn many_values_do_not_underflow() {
        let (low, high, coverage) = ranks(10_001);
        // The normal approximation: n/2 -+ 1.96 sqrt(n)/2, about 5,001 -+ 98.
        assert!((4_895..=4_910).contains(&low) && low + high == 10_002, "{low}..{high}");
        assert!((0.95..0.953).contains(&coverage), "{coverage}");
    }

    /// The share of `trials` samples of `n` values whose interval holds the true median.
    fn coverage_of(n: usize, trials: u32, truth: f64, draw: impl Fn(f64) -> f64) -> f64 {
        let mut random = SplitMix64::new(0x7472_6970_7479_6368);
        let mut held = 0_u32;
        for _ in 0..trials {
            let values: Vec<f64> = (0..n).map(|_| draw(random.unit())).collect();
            let interval = Interval::of_median(&values).unwrap();
            held += u32::from((interval.low..=interval.high).contains(&truth));
        }
        f64::from(held) / f64::from(trials)
    }

    #[test]
    fn the_median_is_covered_at_the_stated_rate() {
        let trials = 40_000;
        for n in [6, 8, 12] {
            let stated = ranks(n).2;
            let error = (stated * (1.0 - stated) / f64::from(trials)).sqrt();
            let skewed = coverage_of(n, trials, std::f64::consts::LN_2, |u| -(1.0 - u).ln());
            let flat = coverage_of(n, trials, 0.5, |u| u);
            // No mean, no variance: the median is all there is (Cauchy).
            let heavy = coverage_of(n, trials, 0.0, |u| (std::f64::consts::PI * (u - 0.5)).tan());
            for rate in [skewed, flat, heavy] {
                assert!((rate - stated).abs() < 4.0 * error, "{n} values: {rate}, not {stated}");
            }
        }
    }

    proptest! {
        #[test]
        fn holds_the_sample_median_and_ignores_order(
            values in prop::collection::vec(-1e6..1e6_f64, 1..80)
        ) {
            let interval = Interval::of_median(&values).unwrap();
            let middle = median(&values).unwrap();
            prop_assert!(interval.low <= middle && middle <= interval.high);
            let mut reversed = values;
            reversed.reverse();
            prop_assert_eq!(Interval::of_median(&reversed).unwrap(), interval);
        }

        #[test]
        fn more_spread_never_narrows_it(
            values in prop::collection::vec(-1e6..1e6_f64, 6..60)
        ) {
            let before = Interval::of_median(&values).unwrap();
            let mut wider = values;
            wider.extend([-1e7, 1e7]);
            let after = Interval::of_median(&wider).unwrap();
            prop_assert!(after.low >= -1e7 && after.low <= before.low);
            prop_assert!(after.high <= 1e7 && after.high >= before.high);
        }
    }
}
