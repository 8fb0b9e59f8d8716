//! The straight line through points: what one unit more costs.

use super::median;

/// `y = intercept + slope * x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What one more `x` adds to `y`: bytes per waiting unit, nanoseconds per byte.
    pub slope: f64,
    /// What is there without any `x`: the bytes of an idle lane.
    pub intercept: f64,
    /// The largest distance of a point from the line, in units of `y`: large against
    /// `slope * x` means that a line does not describe the points.
    pub residual: f64,
}

impl Line {
    /// The line of Theil and Sen through `(x, y)` points: the median of the slopes of all pairs of
    /// points with different `x`, and the median of what that leaves of each `y`. Up to 29 % of
    /// the points may be arbitrarily wrong without carrying the line away (Sen, *Estimates of the
    /// Regression Coefficient Based on Kendall's Tau*, JASA 1968), which least squares cannot say
    /// of a single one. `None` with fewer than two different `x`.
    ///
    /// The work grows with the square of the number of points.
    ///
    /// # Panics
    ///
    /// If a coordinate is infinite or not a number.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        assert!(
            points.iter().all(|(x, y)| x.is_finite() && y.is_finite()),
            "a point to draw a line through is not finite"
        );
        let slopes: Vec<f64> = points
            .iter()
            .enumerate()
            .flat_map(|(index, from)| points[index + 1..].iter().map(move |to| (from, to)))
            .map(|(from, to)| (to.0 - from.0, to.1 - from.1))
            .filter(|(run, _)| *run != 0.0)
            .map(|(run, rise)| rise / run)
            .collect();
        let slope = median(&slopes)?;
        let rests: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
        let intercept = median(&rests)?;
        let residual = rests.iter().map(|rest| (rest - intercept).abs()).fold(0.0, f64::max);
        Some(Self { slope, intercept, residual })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_wrong_point_does_not_carry_it_away() {
        // 10 MiB and 2 KiB per unit, but the largest run was cut short.
        let mut points: Vec<(f64, f64)> = [10.0, 100.0, 1_000.0, 5_000.0, 10_000.0]
            .map(|units| (units, 10_485_760.0 + 2_048.0 * units))
            .to_vec();
        points.push((20_000.0, 0.0));
        let line = Line::through(&points).unwrap();
        assert!((line.slope - 2_048.0).abs() < 1e-6, "{line:?}");
        assert!((line.intercept - 10_485_760.0).abs() < 1e-3, "{line:?}");
        assert!(line.residual > 50e6, "the wrong point must show: {line:?}");
    }

    #[test]
    fn one_place_has_no_slope() {
        assert_eq!(Line::through(&[]), None);
        assert_eq!(Line::through(&[(1.0, 2.0)]), None);
        assert_eq!(Line::through(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    proptest! {
        #[test]
        fn points_on_a_line_give_the_line(
            slope in -1e3..1e3_f64,
            intercept in -1e3..1e3_f64,
            xs in prop::collection::hash_set(0..10_000_u32, 2..20),
        ) {
            let points: Vec<_> =
                xs.iter().map(|&x| (f64::from(x), intercept + slope * f64::from(x))).collect();
            let line = Line::through(&points).unwrap();
            prop_assert!((line.slope - slope).abs() < 1e-6, "{:?}", line);
            prop_assert!((line.intercept - intercept).abs() < 1e-3, "{:?}", line);
            prop_assert!(line.residual < 1e-3, "{:?}", line);
        }
    }
}
