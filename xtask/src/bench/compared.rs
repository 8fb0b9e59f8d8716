//! Ours against one peer, over all rounds.

use crate::stats::{Above, Interval, Level, Paired, paired};

/// Ours against one peer.
#[derive(Clone, Debug)]
pub enum Compared {
    /// By the ratio of the costs.
    Whole(Paired),
    /// By the ratio of what both cost above a baseline.
    Above(Above),
}

/// Whether an interval claims to hold the true median: it does from six rounds on.
pub fn sure(interval: &Interval) -> bool {
    matches!(interval.level, Level::Sign { .. })
}

impl Compared {
    /// Compares the costs of each round, above those of a baseline if there is one.
    pub fn new(
        ours: &[Option<f64>],
        peer: &[Option<f64>],
        baseline: Option<&[Option<f64>]>,
    ) -> Self {
        match baseline {
            None => Self::Whole(paired(ours, peer)),
            Some(baseline) => Self::Above(Above::new(ours, peer, baseline)),
        }
    }

    /// Compares what both cost above a baseline in each round, where that is known already.
    pub fn above(ours: &[Option<f64>], peer: &[Option<f64>], baseline: &[Option<f64>]) -> Self {
        Self::Above(Above::of_differences(ours, peer, baseline))
    }

    /// How many rounds were compared.
    pub fn rounds(&self) -> usize {
        match self {
            Self::Whole(paired) => paired.rounds(),
            Self::Above(above) => above.rounds(),
        }
    }

    /// The median of the ratios within rounds. `None` without rounds, or if the peer cannot be told
    /// from the baseline.
    pub fn ratio(&self) -> Option<f64> {
        match self {
            Self::Whole(paired) => paired.ratio(),
            Self::Above(above) => above.ratio(),
        }
    }

    /// The interval of [`ratio`](Self::ratio).
    pub fn interval(&self) -> Option<Interval> {
        match self {
            Self::Whole(paired) => paired.interval(),
            Self::Above(above) => above.interval(),
        }
    }

    /// Whether the upper bound of the ratio is below this; `None`: that cannot be said.
    pub(super) fn bound_below(&self, limit: f64) -> Option<bool> {
        match self.interval() {
            Some(interval) => Some(interval).filter(sure).map(|interval| interval.high < limit),
            None => self.undivided(limit),
        }
    }

    /// Whether the ratio, as estimated, is at most this; `None`: that cannot be said.
    pub(super) fn ratio_at_most(&self, limit: f64) -> Option<bool> {
        match self.interval() {
            Some(interval) => {
                Some(interval).filter(sure).and(self.ratio()).map(|ratio| ratio <= limit)
            }
            None => self.undivided(limit),
        }
    }

    /// Where there is no ratio, because the peer cannot be told from the baseline: whether ours costs
    /// for sure less than `limit` times the peer, or for sure more, both above the baseline. `None`:
    /// neither is sure.
    fn undivided(&self, limit: f64) -> Option<bool> {
        let Self::Above(above) = self else { return None };
        match above.excess(limit).filter(sure)? {
            Interval { high, .. } if high < 0.0 => Some(true),
            Interval { low, .. } if low > 0.0 => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six rounds with these costs above a baseline of 10.
    fn above(ours: [f64; 6], peer: [f64; 6]) -> Compared {
        let costs = |above: [f64; 6]| above.map(|above| Some(10.0 + above));
        Compared::new(&costs(ours), &costs(peer), Some(&[Some(10.0); 6]))
    }

    #[test]
    fn with_a_baseline_only_the_costs_above_it_count() {
        // As a whole, 10.9 by 12 is 0.91.
        let compared = above([0.9; 6], [2.0; 6]);
        assert!(compared.ratio().is_some_and(|ratio| (ratio - 0.45).abs() < 1e-9), "{compared:?}");
        assert_eq!(
            (compared.bound_below(0.5), compared.bound_below(0.44)),
            (Some(true), Some(false))
        );
        let median = above([0.9, 0.9, 0.9, 0.9, 9.0, 9.0], [2.0; 6]);
        assert_eq!((median.ratio_at_most(0.5), median.bound_below(0.5)), (Some(true), Some(false)));
        assert_eq!(median.ratio_at_most(0.44), Some(false));
    }

    #[test]
    fn a_peer_at_the_baseline_decides_only_what_is_sure() {
        let wavering = [0.3, -0.3, 0.3, -0.3, 0.3, -0.3];
        // Ours as well: neither ahead nor behind.
        let both = above([0.2; 6], wavering);
        assert_eq!((both.ratio(), both.interval(), both.rounds()), (None, None, 6));
        assert_eq!((both.ratio_at_most(1.2), both.bound_below(1.0)), (None, None));
        // Ours costs more than any number of times that little.
        let behind = above([2.0; 6], wavering);
        assert_eq!(
            (behind.ratio_at_most(1.2), behind.bound_below(1.0)),
            (Some(false), Some(false))
        );
        // Ours is below the baseline, and the peer is not so far below.
        let ahead = above([-1.0; 6], wavering);
        assert_eq!((ahead.ratio_at_most(1.2), ahead.bound_below(1.0)), (Some(true), Some(true)));
    }

    #[test]
    fn too_few_rounds_with_a_baseline_decide_nothing() {
        let costs = |cost| vec![Some(cost); 5];
        for peer in [10.0, 12.0] {
            let compared = Compared::new(&costs(11.0), &costs(peer), Some(&costs(10.0)));
            assert_eq!((compared.ratio_at_most(0.1), compared.bound_below(0.1)), (None, None));
        }
    }
}
