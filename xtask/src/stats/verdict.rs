//! From an interval to a word.

use super::Paired;

/// What comparing lane `a` with lane `b` came to, in terms of lane `a`. For anything of which less
/// is better: time, CPU, memory.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// The whole interval lies below the band: `a` needs less than `b`.
    Faster,
    /// The whole interval lies above the band: `a` needs more than `b`.
    Slower,
    /// The whole interval lies within the band: the two are as good as equal. This is a result.
    Tie,
    /// The interval crosses an edge of the band, or there are fewer than two rounds.
    Inconclusive,
}

/// The noise floor found by an A/A control: the same lane compared with itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// How far the interval of A/A reaches from equality, as a share: 0.07 for 7 %.
    half_width: f64,
}

/// Ratios that count as equal: those from `1 / (1 + width)` to `1 + width`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The share by which two lanes may differ and still be equal.
    width: f64,
}

impl Verdict {
    /// Judges a comparison of `a` with `b`.
    ///
    /// With `[low, high]` the interval of `ln(a / b)` and `w = ln(1 + band)`:
    ///
    /// | condition | verdict |
    /// |---|---|
    /// | fewer than two rounds | `Inconclusive` |
    /// | `high < -w` | `Faster` |
    /// | `low > w` | `Slower` |
    /// | `-w <= low` and `high <= w` | `Tie` |
    /// | otherwise | `Inconclusive` |
    ///
    /// From two to five rounds the interval is the range, for which no coverage is claimed
    /// ([`Level::Range`](super::Level::Range)); whoever reports the verdict says so.
    pub fn of(compared: &Paired, band: Band) -> Self {
        let Some(interval) = compared.log_interval().filter(|_| compared.rounds() >= 2) else {
            return Self::Inconclusive;
        };
        let edge = band.width.ln_1p();
        if interval.high < -edge {
            Self::Faster
        } else if interval.low > edge {
            Self::Slower
        } else if -edge <= interval.low && interval.high <= edge {
            Self::Tie
        } else {
            Self::Inconclusive
        }
    }

    /// The verdict on `b` against `a`.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Faster => Self::Slower,
            Self::Slower => Self::Faster,
            even => even,
        }
    }
}

impl Noise {
    /// The noise of an A/A comparison; `None` with fewer than two rounds. The rounds must be other
    /// ones than those to be judged: a control drawn from the same rounds shares their luck.
    ///
    /// The half-width is the distance from equality to the farther end of the interval, so that an
    /// A/A control that comes out off centre widens the band too.
    pub fn of(control: &Paired) -> Option<Self> {
        let interval = control.log_interval().filter(|_| control.rounds() >= 2)?;
        Some(Self { half_width: interval.low.abs().max(interval.high.abs()).exp_m1() })
    }

    /// How far the interval of A/A reaches from equality, as a share: 0.07 for 7 %.
    pub fn half_width(self) -> f64 {
        self.half_width
    }
}

impl Band {
    /// The narrowest band: differences up to 5 % are nobody's reason to choose.
    pub const FLOOR: f64 = 0.05;

    /// The band over a noise floor: [`FLOOR`](Self::FLOOR) or the A/A half-width, whichever is
    /// larger. `None`, no A/A control, gives the floor.
    pub fn over(noise: Option<Noise>) -> Self {
        Self { width: noise.map_or(0.0, Noise::half_width).max(Self::FLOOR) }
    }

    /// The share by which two lanes may differ and still be equal.
    pub fn width(self) -> f64 {
        self.width
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::paired;

    /// The comparison whose rounds have these ratios.
    fn compared(ratios: &[f64]) -> Paired {
        let a: Vec<_> = ratios.iter().copied().map(Some).collect();
        paired(&a, &vec![Some(1.0); ratios.len()])
    }

    /// The verdict on these ratios in the narrowest band.
    fn verdict(ratios: &[f64]) -> Verdict {
        Verdict::of(&compared(ratios), Band::over(None))
    }

    #[test]
    fn each_verdict_flips_with_the_samples() {
        let faster = [0.50, 0.52, 0.49, 0.51, 0.50, 0.53, 0.50];
        let tie = [1.01, 0.99, 1.00, 1.02, 0.98, 1.00, 1.01];
        let open = [0.70, 1.30, 0.90, 1.10, 0.80, 1.20, 1.00];
        for (ratios, expected) in
            [(faster, Verdict::Faster), (tie, Verdict::Tie), (open, Verdict::Inconclusive)]
        {
            assert_eq!(verdict(&ratios), expected);
            assert_eq!(verdict(&ratios.map(f64::recip)), expected.swapped());
        }
        assert_eq!(verdict(&faster.map(f64::recip)), Verdict::Slower);
    }

    #[test]
    fn the_edges_are_those_of_the_table() {
        assert_eq!(verdict(&[0.952, 0.96]), Verdict::Inconclusive, "1 / 1.05 is 0.95238");
        assert_eq!(verdict(&[0.953, 1.049]), Verdict::Tie);
        assert_eq!(verdict(&[0.952, 0.95]), Verdict::Faster);
        assert_eq!(verdict(&[1.051, 1.06]), Verdict::Slower);
        assert_eq!(verdict(&[1.049, 1.06]), Verdict::Inconclusive);
    }

    #[test]
    fn one_round_decides_nothing() {
        assert_eq!(verdict(&[]), Verdict::Inconclusive);
        assert_eq!(verdict(&[0.1]), Verdict::Inconclusive);
        assert_eq!(verdict(&[1.0]), Verdict::Inconclusive);
        assert_eq!(Noise::of(&compared(&[1.0])), None);
    }

    #[test]
    fn a_noisy_control_widens_the_band() {
        let noise = Noise::of(&compared(&[0.8, 1.0, 1.1, 1.0])).unwrap();
        assert!((noise.half_width() - 0.25).abs() < 1e-12, "{noise:?}");
        let band = Band::over(Some(noise));
        let judged = compared(&[0.85, 0.86, 0.84]);
        assert_eq!(Verdict::of(&judged, band), Verdict::Tie);
        assert_eq!(Verdict::of(&judged, Band::over(None)), Verdict::Faster);
        let quiet = Noise::of(&compared(&[0.99, 1.01])).unwrap();
        assert_eq!(Band::over(Some(quiet)), Band::over(None));
    }

    /// Pairs of times around each other, so that all four verdicts come up.
    fn rounds() -> impl Strategy<Value = Vec<(f64, f64)>> {
        (0.5..2.0_f64, 0.0..0.3_f64).prop_flat_map(|(shift, spread)| {
            let a = (1.0 - spread) * shift..(1.0 + spread) * shift + 1e-9;
            prop::collection::vec((a, 0.99..1.01_f64), 0..16)
        })
    }

    /// The two lanes of `rounds`, `a` multiplied by `a_by` and `b` by `b_by`.
    fn lanes(rounds: &[(f64, f64)], a_by: f64, b_by: f64) -> Paired {
        let a: Vec<_> = rounds.iter().map(|round| Some(round.0 * a_by)).collect();
        let b: Vec<_> = rounds.iter().map(|round| Some(round.1 * b_by)).collect();
        paired(&a, &b)
    }

    proptest! {
        #[test]
        fn swapping_the_samples_swaps_the_verdict(rounds in rounds(), width in 0.0..0.5_f64) {
            let band = Band::over(Some(Noise { half_width: width }));
            let there = Verdict::of(&lanes(&rounds, 1.0, 1.0), band);
            let swapped: Vec<_> = rounds.iter().map(|&(a, b)| (b, a)).collect();
            prop_assert_eq!(Verdict::of(&lanes(&swapped, 1.0, 1.0), band), there.swapped());
        }

        #[test]
        fn the_unit_of_measurement_does_not_matter(rounds in rounds(), exponent in -9..9_i32) {
            let unit = 10_f64.powi(exponent);
            let band = Band::over(None);
            let (plain, scaled) = (lanes(&rounds, 1.0, 1.0), lanes(&rounds, unit, unit));
            // Rounding may move a bound that lies on the very edge of the band.
            let edge = band.width().ln_1p();
            let bounds = plain.log_interval().map_or([0.0; 2], |found| [found.low, found.high]);
            prop_assume!(bounds.iter().all(|bound| (bound.abs() - edge).abs() > 1e-9));
            prop_assert_eq!(Verdict::of(&scaled, band), Verdict::of(&plain, band));
        }

        #[test]
        fn needing_more_never_looks_better(rounds in rounds(), extra in 1.0..3.0_f64) {
            let band = Band::over(None);
            let before = Verdict::of(&lanes(&rounds, 1.0, 1.0), band);
            let after = Verdict::of(&lanes(&rounds, extra, 1.0), band);
            if before == Verdict::Slower {
                prop_assert_eq!(after, Verdict::Slower);
            }
            if after == Verdict::Faster {
                prop_assert_eq!(before, Verdict::Faster);
            }
        }

        #[test]
        fn a_wider_band_only_takes_verdicts_back(rounds in rounds(), width in 0.0..0.9_f64) {
            let compared = lanes(&rounds, 1.0, 1.0);
            let narrow = Verdict::of(&compared, Band::over(None));
            let wide = Verdict::of(&compared, Band::over(Some(Noise { half_width: width })));
            prop_assert!(wide == narrow || matches!(wide, Verdict::Tie | Verdict::Inconclusive));
            prop_assert!(narrow != Verdict::Tie || wide == Verdict::Tie);
        }
    }
}
