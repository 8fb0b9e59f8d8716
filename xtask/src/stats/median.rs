//! The middle of a sample.

/// The median: the middle value, or the mean of the two middle ones. `None` without values.
///
/// Negating every value negates the result exactly, which is what makes verdicts flip when two
/// lanes swap places.
///
/// # Panics
///
/// If a value is not a number.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let upper = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[upper]),
        _ => Some(f64::midpoint(sorted[upper - 1], sorted[upper])),
    }
}

/// The values in ascending order.
///
/// # Panics
///
/// If a value is not a number.
pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    assert!(!values.iter().any(|value| value.is_nan()), "a sample holds a value that is no number");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn smoke() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    #[should_panic(expected = "no number")]
    fn not_a_number_is_refused() {
        median(&[1.0, f64::NAN]);
    }

    proptest! {
        #[test]
        fn half_of_the_values_lie_on_either_side(
            values in prop::collection::vec(-1e9..1e9_f64, 1..40)
        ) {
            let middle = median(&values).unwrap();
            let below = values.iter().filter(|&&value| value < middle).count();
            let above = values.iter().filter(|&&value| value > middle).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }

        #[test]
        fn negation_is_exact(values in prop::collection::vec(-1e9..1e9_f64, 1..40)) {
            let negated: Vec<f64> = values.iter().map(|value| -value).collect();
            prop_assert_eq!(median(&negated), median(&values).map(|middle| -middle));
        }
    }
}
