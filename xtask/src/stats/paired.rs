//! Two lanes, compared round by round.

use super::{Interval, median};

/// The ratio of two lanes over the rounds in which both were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// `ln(a / b)` of each usable round, in round order.
    log_ratios: Vec<f64>,
    /// How many rounds were left out because one of the two values was missing or not positive.
    dropped: usize,
}

/// Pairs the values of lane `a` with those of lane `b`: the same index is the same round.
///
/// A round counts only if both values are there, finite and above zero; otherwise it is dropped
/// for both lanes and counted in [`Paired::dropped`], and so are rounds that only one list has.
/// Outliers are never dropped.
pub fn paired(a: &[Option<f64>], b: &[Option<f64>]) -> Paired {
    let usable = |value: Option<f64>| value.filter(|value| value.is_finite() && *value > 0.0);
    // A difference of logarithms and not the logarithm of a quotient: swapping the lanes then
    // negates it to the last bit.
    let log_ratios: Vec<f64> = std::iter::zip(a, b)
        .filter_map(|(&a, &b)| Some(usable(a)?.ln() - usable(b)?.ln()))
        .collect();
    let dropped = a.len().max(b.len()) - log_ratios.len();
    Paired { log_ratios, dropped }
}

impl Paired {
    /// How many rounds were compared.
    pub fn rounds(&self) -> usize {
        self.log_ratios.len()
    }

    /// How many rounds were left out because one of the two values was missing or not positive.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The median of `a / b`: 2.0 if `a` needs twice as much as `b`. `None` without rounds.
    pub fn ratio(&self) -> Option<f64> {
        median(&self.log_ratios).map(f64::exp)
    }

    /// The interval of [`ratio`](Self::ratio), on the ratio scale. `None` without rounds.
    pub fn interval(&self) -> Option<Interval> {
        Some(self.log_interval()?.map(f64::exp))
    }

    /// The ratio of each compared round, in round order.
    pub fn ratios(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.log_ratios.iter().map(|log_ratio| log_ratio.exp())
    }

    /// The same comparison the other way round: `b / a`.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let log_ratios = self.log_ratios.iter().map(|log_ratio| -log_ratio).collect();
        Self { log_ratios, dropped: self.dropped }
    }

    /// The interval of the median log-ratio.
    pub(super) fn log_interval(&self) -> Option<Interval> {
        Interval::of_median(&self.log_ratios)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Level;

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The machine slows down fourfold half-way; the ratio within a round does not notice.
        let a = [2.0, 2.0, 2.0, 8.0, 8.0, 8.0].map(Some);
        let b = [1.0, 1.0, 1.0, 4.0, 4.0, 4.0].map(Some);
        let compared = paired(&a, &b);
        let interval = compared.interval().unwrap();
        for value in [compared.ratio().unwrap(), interval.low, interval.high] {
            assert!((value - 2.0).abs() < 1e-12, "{value}");
        }
        assert_eq!(interval.level, Level::Sign { coverage: 0.968_75 });
    }

    #[test]
    fn a_missing_value_drops_its_round_for_both() {
        let a = [Some(1.0), None, Some(3.0), Some(0.0), Some(f64::INFINITY), Some(4.0)];
        let b = [Some(1.0), Some(9.0), Some(1.0), Some(1.0), Some(1.0)];
        let compared = paired(&a, &b);
        assert_eq!((compared.rounds(), compared.dropped()), (2, 4));
        assert_eq!(paired(&b, &a), compared.swapped());
        let ratios: Vec<f64> = compared.ratios().collect();
        assert!((ratios[0] - 1.0).abs() < 1e-12 && (ratios[1] - 3.0).abs() < 1e-12, "{ratios:?}");
    }

    #[test]
    fn nothing_in_common_has_no_ratio() {
        let compared = paired(&[Some(1.0), None], &[None, Some(1.0)]);
        assert_eq!((compared.ratio(), compared.interval(), compared.dropped()), (None, None, 2));
    }

    proptest! {
        #[test]
        fn swapping_the_lanes_equals_swapping_the_result(
            rounds in prop::collection::vec(
                (prop::option::weighted(0.9, 1e-6..1e6_f64), 1e-6..1e6_f64), 0..30)
        ) {
            let a: Vec<_> = rounds.iter().map(|round| round.0).collect();
            let b: Vec<_> = rounds.iter().map(|round| Some(round.1)).collect();
            prop_assert_eq!(paired(&a, &b).swapped(), paired(&b, &a));
        }
    }
}
