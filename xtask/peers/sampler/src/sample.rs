//! What a sample says.

use serde::Serialize;

use crate::stopwatch::Times;

/// So many units, what they cost, and whether they were really done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The units that were asked for.
    pub units: u64,
    /// Wall-clock time in nanoseconds.
    pub wall_ns: u64,
    /// Processor time of the whole process in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes of memory that the units take while they are there, where that is what is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The operations that were counted while or after they happened; anything but `units` fails
    /// the measurement.
    pub checked: u64,
    /// What else is wrong, in words.
    pub problem: Option<String>,
}

/// What operations add up to, in whichever order they happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there were.
    pub count: u64,
    /// The sum of their results, which wraps around.
    pub sum: u64,
}

impl Tally {
    /// Of the results `0..units`.
    pub fn of_range(units: u64) -> Self {
        (0..units).collect()
    }

    /// Of operations that have no result.
    pub fn of_count(count: u64) -> Self {
        Self { count, sum: 0 }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum.wrapping_add(other.sum) }
    }
}

impl FromIterator<u64> for Tally {
    fn from_iter<I: IntoIterator<Item = u64>>(results: I) -> Self {
        let one = |sum| Self { count: 1, sum };
        results.into_iter().map(one).fold(Self::default(), Self::plus)
    }
}

impl Sample {
    /// `units` of work that took these times and came to `found`, where `expected` is right.
    pub fn new(units: u64, times: Times, found: Tally, expected: Tally) -> Self {
        let differs = found.sum != expected.sum;
        Self {
            units,
            wall_ns: times.wall_ns,
            cpu_ns: times.cpu_ns,
            bytes: None,
            checked: found.count,
            problem: differs
                .then(|| format!("the results add up to {}, right is {}", found.sum, expected.sum)),
        }
    }

    /// With so many bytes that the units take.
    #[must_use]
    pub fn with_bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_sum_is_a_problem_and_a_wrong_count_is_said() {
        let times = Times { wall_ns: 1, cpu_ns: 2 };
        let right = Tally::of_range(4);
        assert_eq!(right, Tally { count: 4, sum: 6 });
        assert_eq!(Sample::new(4, times, right, right).problem, None);
        let sum = Sample::new(4, times, Tally { count: 4, sum: 7 }, right);
        assert_eq!(sum.problem.unwrap(), "the results add up to 7, right is 6");
        let few = Sample::new(4, times, Tally { count: 3, sum: 6 }, right);
        assert_eq!((few.checked, few.units), (3, 4));
    }
}
