//! Two lanes, compared round by round by what each costs above a third.

use super::{Interval, median};

/// The least share of the baseline's cost that counts as a cost above it. The same work costs a few
/// per cent more or less by where the compiler puts it, in every round alike: no number of rounds
/// tells such a difference from none.
const LEAST_SHARE: f64 = 0.02;

/// What lanes `a` and `b` cost above a baseline, over the rounds in which all three were measured.
///
/// The differences, and their ratio, are those within a round. A ratio of differences is worth
/// nothing when the lower one is nearly zero, so there is none unless lane `b` is
/// [told from the baseline](Self::is_told); what can be said nevertheless, without dividing, says
/// [`excess`](Self::excess).
#[derive(Clone, Debug, PartialEq)]
pub struct Above {
    /// The differences of each round, in round order.
    rounds: Vec<Round>,
}

/// What was measured in one round, in terms of the same unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Round {
    /// What lane `a` costs above the baseline; below zero: it measured less.
    a: f64,
    /// The same of lane `b`.
    b: f64,
    /// The baseline.
    baseline: f64,
}

impl Round {
    /// The ratio of the differences. Infinite: lane `a` costs something, and lane `b` nothing.
    /// `None`: neither does, so this round says nothing.
    fn ratio(self) -> Option<f64> {
        match self {
            Self { a, b, .. } if b > 0.0 => Some(a / b),
            Self { a, .. } if a > 0.0 => Some(f64::INFINITY),
            _ => None,
        }
    }
}

impl Above {
    /// Sets the values of lanes `a` and `b` against those of the baseline: the same index is the
    /// same round. A round counts only if all three are there, finite and above zero.
    pub fn new(a: &[Option<f64>], b: &[Option<f64>], baseline: &[Option<f64>]) -> Self {
        let usable = |value: Option<f64>| value.filter(|value| value.is_finite() && *value > 0.0);
        let rounds = std::iter::zip(std::iter::zip(a, b), baseline);
        let rounds = rounds.filter_map(|((&a, &b), &baseline)| {
            let baseline = usable(baseline)?;
            Some(Round { a: usable(a)? - baseline, b: usable(b)? - baseline, baseline })
        });
        Self { rounds: rounds.collect() }
    }

    /// The same where the differences within each round are known already: what the lanes cost above the
    /// baseline, and that. A round counts only if all three are there and finite, and the baseline is above
    /// zero.
    pub fn of_differences(a: &[Option<f64>], b: &[Option<f64>], baseline: &[Option<f64>]) -> Self {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let rounds = std::iter::zip(std::iter::zip(a, b), baseline);
        let rounds = rounds.filter_map(|((&a, &b), &baseline)| {
            let baseline = finite(baseline).filter(|baseline| *baseline > 0.0)?;
            Some(Round { a: finite(a)?, b: finite(b)?, baseline })
        });
        Self { rounds: rounds.collect() }
    }

    /// How many rounds were compared.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The median of what lane `a` costs above the baseline; `None` without rounds.
    pub fn a(&self) -> Option<f64> {
        median(&self.each(|round| round.a))
    }

    /// The same of lane `b`.
    pub fn b(&self) -> Option<f64> {
        median(&self.each(|round| round.b))
    }

    /// Whether lane `b` costs more than the baseline for sure: the whole interval of the differences
    /// lies above 2 % of the baseline.
    pub fn is_told(&self) -> bool {
        let least = median(&self.each(|round| LEAST_SHARE * round.baseline));
        let interval = Interval::of_median(&self.each(|round| round.b));
        least.zip(interval).is_some_and(|(least, interval)| interval.low > least)
    }

    /// The median of the ratios, `a` by `b`: below zero if `a` measured less than the baseline.
    /// `None` without rounds that say something, or if `b` is not [told](Self::is_told) from it.
    pub fn ratio(&self) -> Option<f64> {
        let ratios: Vec<f64> = self.rounds.iter().filter_map(|round| round.ratio()).collect();
        median(&ratios).filter(|_| self.is_told())
    }

    /// The interval of [`ratio`](Self::ratio), `None` where that is. A bound may be infinite; rounds
    /// that say nothing could have said anything, and widen it to both sides.
    pub fn interval(&self) -> Option<Interval> {
        self.ratio()?;
        let bounds =
            |unknown| Interval::of_median(&self.each(|round| round.ratio().unwrap_or(unknown)));
        let (lower, upper) = (bounds(f64::NEG_INFINITY)?, bounds(f64::INFINITY)?);
        Some(Interval { low: lower.low, ..upper })
    }

    /// The interval of what lane `a` costs above the baseline beyond `limit` times what lane `b`
    /// does. Wholly below zero: the true ratio is below `limit`; wholly above: it is not.
    pub fn excess(&self, limit: f64) -> Option<Interval> {
        Interval::of_median(&self.each(|round| round.a - limit * round.b))
    }

    /// Something of each round.
    fn each(&self, of: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Level;

    /// The rounds of this baseline with these costs above it.
    fn above(baseline: &[f64], rounds: &[(f64, f64)]) -> Above {
        let lane = |of: fn(&(f64, f64)) -> f64| {
            let costs = std::iter::zip(baseline, rounds).map(|(base, round)| base + of(round));
            costs.map(Some).collect::<Vec<_>>()
        };
        let base: Vec<_> = baseline.iter().copied().map(Some).collect();
        Above::new(&lane(|round| round.0), &lane(|round| round.1), &base)
    }

    /// That these are the same but for rounding.
    #[track_caller]
    fn assert_near(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn differences_are_those_within_rounds() {
        // The machine slows down fourfold half-way, and the baseline with it.
        let rounds = [(1.0, 4.0), (1.0, 4.0), (1.0, 4.0), (4.0, 16.0), (4.0, 16.0), (4.0, 16.0)];
        let compared = above(&[2.0, 2.0, 2.0, 8.0, 8.0, 8.0], &rounds);
        assert!(compared.is_told());
        assert_near(compared.ratio(), 0.25);
        assert_near(compared.a(), 2.5);
        assert_near(compared.b(), 10.0);
        let interval = compared.interval().unwrap();
        assert_near(Some(interval.low), 0.25);
        assert_near(Some(interval.high), 0.25);
        assert_eq!(interval.level, Level::Sign { coverage: 0.968_75 });
    }

    #[test]
    fn a_round_without_one_of_the_three_does_not_count() {
        let all = [Some(2.0); 4];
        let some = [Some(2.0), None, Some(0.0), Some(f64::NAN)];
        for [a, b, baseline] in [[some, all, all], [all, some, all], [all, all, some]] {
            assert_eq!(Above::new(&a, &b, &baseline).rounds(), 1);
        }
        let none = Above::new(&[], &[], &[]);
        assert_eq!((none.a(), none.ratio(), none.is_told()), (None, None, false));
    }

    #[test]
    fn differences_that_are_known_are_compared_as_those_that_are_taken() {
        let rounds = [(1.0, 4.0), (-0.5, 2.0), (1.5, 3.0)];
        let [a, b] = [rounds.map(|round| Some(round.0)), rounds.map(|round| Some(round.1))];
        let base = [Some(2.0), Some(4.0), Some(8.0)];
        let known = Above::of_differences(&a, &b, &base);
        assert_eq!(known, above(&[2.0, 4.0, 8.0], &rounds));
        let some = [Some(1.0), None, Some(f64::NAN)];
        for [a, b, base] in [[some, b, base], [a, some, base], [a, b, some]] {
            assert_eq!(Above::of_differences(&a, &b, &base).rounds(), 1);
        }
        assert_eq!(Above::of_differences(&a, &b, &[Some(0.0); 3]).rounds(), 0);
    }

    #[test]
    fn nothing_is_divided_by_what_cannot_be_told_from_nothing() {
        let rounds = |b: [f64; 6]| b.map(|b| (1.0, b));
        let wavering = above(&[10.0; 6], &rounds([0.5, 0.5, 0.5, 0.5, 0.5, -0.1]));
        let tiny = above(&[10.0; 6], &rounds([0.19; 6]));
        for compared in [wavering, tiny] {
            assert!(!compared.is_told());
            assert_eq!((compared.ratio(), compared.interval()), (None, None));
            // What can be said without it: ours costs more than twice as much.
            assert!(compared.excess(1.0).unwrap().low > 0.0);
            assert!(compared.b().is_some() && compared.a().is_some(), "it is shown all the same");
        }
        assert!(above(&[10.0; 6], &rounds([0.21; 6])).is_told());
    }

    #[test]
    fn a_lane_below_the_baseline_has_a_ratio_below_zero() {
        let compared = above(&[10.0; 6], &[(-0.5, 2.0); 6]);
        assert_near(compared.ratio(), -0.25);
        assert!(compared.excess(0.0).unwrap().high < 0.0);
    }

    #[test]
    fn rounds_that_say_nothing_widen_the_interval() {
        let mut rounds = vec![(1.0, 2.0); 12];
        rounds[3] = (-1.0, -1.0);
        rounds[7] = (1.0, -1.0);
        // Of twelve rounds the third values from both ends count.
        let few = above(&[10.0; 12], &rounds);
        assert_near(few.interval().map(|interval| interval.low), 0.5);
        assert_near(few.interval().map(|interval| interval.high), 0.5);
        rounds.truncate(9);
        // Of nine the second ones.
        let compared = above(&[10.0; 9], &rounds);
        assert!(!compared.is_told(), "two of nine rounds below the baseline");
        rounds[7] = (7.0, 2.0);
        let compared = above(&[10.0; 9], &rounds);
        assert_near(compared.ratio(), 0.5);
        assert_near(compared.interval().map(|interval| interval.high), 3.5);
        rounds[7] = (-7.0, 2.0);
        let compared = above(&[10.0; 9], &rounds);
        assert_near(compared.interval().map(|interval| interval.low), -3.5);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_ratio_and_agrees_with_the_excess(
            rounds in prop::collection::vec((-2.0..5.0_f64, -0.2..5.0_f64), 1..30),
            limit in 0.1..3.0_f64,
        ) {
            let compared = above(&vec![10.0; rounds.len()], &rounds);
            if let (Some(ratio), Some(interval)) = (compared.ratio(), compared.interval()) {
                prop_assert!(interval.low <= ratio && ratio <= interval.high);
            }
            let excess = compared.excess(limit).unwrap();
            let all_told = rounds.iter().all(|round| round.1 > 1e-6);
            if let (true, Some(interval)) = (all_told, compared.interval()) {
                let edges = [interval.low - limit, interval.high - limit];
                prop_assume!(edges.iter().all(|edge| edge.abs() > 1e-6));
                prop_assert_eq!(edges[0] > 0.0, excess.low > 0.0);
                prop_assert_eq!(edges[1] < 0.0, excess.high < 0.0);
            }
        }
    }
}
