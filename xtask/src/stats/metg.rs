//! How small a task may be before its dispatch outweighs it.

use std::cmp::Ordering;

/// The *minimum effective task granularity* METG(e): the smallest grain at which a lane still
/// works with efficiency `e` (Slaughter et al., *Task Bench: A Parameterized Benchmark for
/// Evaluating Parallel Runtime Performance*, SC 2020).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metg {
    /// The efficiency is reached at this grain, in nanoseconds: interpolated between the two
    /// measured grains around it.
    At(f64),
    /// It was already reached at the smallest measured grain, in nanoseconds; the true value lies
    /// there or below.
    AtMost(f64),
}

/// METG(`wanted`) of `(grain_ns, efficiency)` points in any order; `None` if none of them reaches
/// the efficiency `wanted`.
///
/// From the smallest grain upwards, the first point that reaches it decides; between that point
/// and the one before, the efficiency is taken to be a straight line over the logarithm of the
/// grain. Of two points with the same grain the lower efficiency comes first. Points whose grain is
/// not above zero, or whose efficiency is not a number, are ignored.
pub fn metg(points: &[(f64, f64)], wanted: f64) -> Option<Metg> {
    let mut points: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(grain, efficiency)| grain.is_finite() && *grain > 0.0 && !efficiency.is_nan())
        .collect();
    points.sort_by(|a, b| match a.0.total_cmp(&b.0) {
        Ordering::Equal => a.1.total_cmp(&b.1),
        unequal => unequal,
    });
    let reached = points.iter().position(|(_, efficiency)| *efficiency >= wanted)?;
    let (grain, efficiency) = points[reached];
    let Some((coarser_by, below)) = reached
        .checked_sub(1)
        .map(|before| points[before])
        .map(|(smaller, below)| (grain.ln() - smaller.ln(), below))
    else {
        return Some(Metg::AtMost(grain));
    };
    // `below < wanted <= efficiency`, so that the share lies above 0 and at most at 1.
    let share = (wanted - below) / (efficiency - below);
    Some(Metg::At((grain.ln() - (1.0 - share) * coarser_by).exp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Efficiency rising with the grain.
    const CURVE: [(f64, f64); 4] = [(1e3, 0.1), (1e4, 0.4), (1e5, 0.6), (1e6, 0.95)];

    #[test]
    fn interpolates_over_the_logarithm() {
        let Some(Metg::At(grain)) = metg(&CURVE, 0.5) else { panic!("{:?}", metg(&CURVE, 0.5)) };
        // Half-way between 10 us and 100 us on a logarithmic axis.
        assert!((grain - 10_f64.powf(4.5)).abs() < 1e-6, "{grain}");
    }

    #[test]
    fn says_never_and_at_most() {
        assert_eq!(metg(&CURVE, 0.99), None);
        assert_eq!(metg(&[], 0.5), None);
        assert_eq!(metg(&CURVE, 0.05), Some(Metg::AtMost(1e3)));
        assert_eq!(metg(&[(0.0, 1.0), (5.0, f64::NAN), (7.0, 0.9)], 0.5), Some(Metg::AtMost(7.0)));
    }

    #[test]
    fn a_measured_point_is_met_exactly() {
        let Some(Metg::At(grain)) = metg(&CURVE, 0.6) else { panic!("reached at 100 us") };
        assert!((grain - 1e5).abs() < 1e-6, "{grain}");
    }

    #[test]
    fn a_later_dip_does_not_move_it() {
        let mut dipping = CURVE.to_vec();
        dipping.push((5e5, 0.2));
        assert_eq!(metg(&dipping, 0.5), metg(&CURVE, 0.5));
    }

    proptest! {
        #[test]
        fn lies_between_the_points_around_it_and_ignores_order(
            points in prop::collection::vec((1.0..1e9_f64, 0.0..1.0_f64), 1..20),
            wanted in 0.01..1.0_f64,
        ) {
            let found = metg(&points, wanted);
            let mut reversed = points.clone();
            reversed.reverse();
            prop_assert_eq!(metg(&reversed, wanted), found);
            let first = points
                .iter()
                .filter(|point| point.1 >= wanted)
                .map(|point| point.0)
                .min_by(f64::total_cmp);
            prop_assert_eq!(found.is_some(), first.is_some());
            let smallest = points.iter().map(|point| point.0).min_by(f64::total_cmp).unwrap();
            match found {
                Some(Metg::At(grain)) => {
                    prop_assert!(grain <= first.unwrap() * 1.000_001);
                    prop_assert!(grain >= smallest * 0.999_999);
                }
                Some(Metg::AtMost(grain)) => prop_assert!(grain <= smallest && first == Some(grain)),
                None => {}
            }
        }

        #[test]
        fn asking_for_more_never_finds_a_smaller_grain(
            steps in prop::collection::vec(0.0..1.0_f64, 2..12),
            wanted in 0.01..0.9_f64,
            more in 0.0..0.1_f64,
        ) {
            let mut rising = steps;
            rising.sort_by(f64::total_cmp);
            let points: Vec<_> =
                (0..).map(|power| 2_f64.powi(power)).zip(rising).collect();
            let grain = |found| match found {
                Some(Metg::At(grain) | Metg::AtMost(grain)) => grain,
                None => f64::INFINITY,
            };
            let (less, more) = (metg(&points, wanted), metg(&points, wanted + more));
            prop_assert!(grain(less) <= grain(more) * 1.000_001);
        }
    }
}
