//! What ours is to achieve, and when it has.
//!
//! No goal is judged on fewer rounds than an interval needs to claim anything ([`sure`], six
//! rounds): it is neither met nor missed then.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::stats::Interval;

use super::{
    compared::{Compared, sure},
    contract::Cost,
};

/// What ours is to achieve against a peer, in terms of the ratio of the costs, ours by the peer's; in
/// a metric with a baseline, of the costs above that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "limit")]
pub enum Goal {
    /// The upper 95 % bound of the ratio is below this: "ahead" is `BoundBelow(1.0)`.
    BoundBelow(f64),
    /// The ratio, as estimated, is at most this: "within 1.2 x" is `RatioAtMost(1.2)`.
    RatioAtMost(f64),
    /// The upper 95 % bound of our own cost is at most so many nanoseconds for each unit: "none" is
    /// what cannot be told from none.
    CostAtMost(f64),
    /// The upper 95 % bound of our own cost is at most so many bytes for each unit.
    BytesAtMost(f64),
}

impl Goal {
    /// Whether it is met, with `compared` ours by the peer's, and `ours` our cost of a unit in each
    /// round, in nanoseconds or bytes. `None`: there are too few rounds, or the two cannot be compared.
    pub fn met(self, compared: &Compared, ours: &[f64]) -> Option<bool> {
        match self {
            Self::BoundBelow(limit) => compared.bound_below(limit),
            Self::RatioAtMost(limit) => compared.ratio_at_most(limit),
            Self::CostAtMost(limit) | Self::BytesAtMost(limit) => {
                Interval::of_median(ours).filter(sure).map(|interval| interval.high <= limit)
            }
        }
    }

    /// In as few words as a column takes.
    pub fn brief(self) -> String {
        match self {
            Self::BoundBelow(limit) => format!("bound < {}", short(limit)),
            Self::RatioAtMost(limit) => format!("<= {}", short(limit)),
            Self::CostAtMost(ns) => format!("ours <= {}", nanoseconds(ns)),
            Self::BytesAtMost(limit) => format!("ours <= {}", bytes(limit)),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BoundBelow(limit) => {
                write!(f, "the 95 % bound of the ratio is to be below {}", short(*limit))
            }
            Self::RatioAtMost(limit) => write!(f, "the ratio is to be at most {}", short(*limit)),
            Self::CostAtMost(ns) => {
                write!(f, "the 95 % bound of our cost is to be at most {}", nanoseconds(*ns))
            }
            Self::BytesAtMost(limit) => {
                write!(f, "the 95 % bound of our cost is to be at most {}", bytes(*limit))
            }
        }
    }
}

/// A limit with as many digits as it needs, two after the point at most.
fn short(limit: f64) -> String {
    let text = format!("{limit:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A cost of a unit with three digits.
pub(super) fn amount(cost: Cost, value: f64) -> String {
    match cost {
        Cost::Wall | Cost::Cpu => nanoseconds(value),
        Cost::Bytes => bytes(value),
    }
}

/// A time of a unit with three digits.
pub fn nanoseconds(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => digits(ns, "ns"),
        ns if ns < 1e6 => digits(ns / 1e3, "us"),
        ns if ns < 1e9 => digits(ns / 1e6, "ms"),
        ns => digits(ns / 1e9, "s"),
    }
}

/// The memory of a unit with three digits.
fn bytes(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e3 => digits(bytes, "B"),
        bytes if bytes < 1e6 => digits(bytes / 1e3, "kB"),
        bytes => digits(bytes / 1e6, "MB"),
    }
}

/// A value with three digits and its unit.
fn digits(value: f64, unit: &str) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2} {unit}"),
        value if value < 100.0 => format!("{value:.1} {unit}"),
        value => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The comparison whose rounds have these ratios.
    fn compared(ratios: &[f64]) -> Compared {
        let ours: Vec<_> = ratios.iter().copied().map(Some).collect();
        Compared::new(&ours, &vec![Some(1.0); ratios.len()], None)
    }

    /// Whether the goal is met by these ratios.
    fn met(goal: Goal, ratios: &[f64]) -> Option<bool> {
        goal.met(&compared(ratios), &[])
    }

    #[test]
    fn ahead_is_judged_by_the_bound_and_not_by_the_median() {
        let ahead = Goal::BoundBelow(1.0);
        // Of six values the bound is the largest one.
        assert_eq!(met(ahead, &[0.5, 0.6, 0.7, 0.8, 0.9, 0.99]), Some(true));
        assert_eq!(met(ahead, &[0.5, 0.6, 0.7, 0.8, 0.9, 1.01]), Some(false));
        assert_eq!(met(ahead, &[1.0; 6]), Some(false), "below means below");
        // Of nine it is the second largest: one bad round is not decisive.
        assert_eq!(met(ahead, &[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 9.0]), Some(true));
    }

    #[test]
    fn a_ratio_is_judged_by_the_median() {
        let within = Goal::RatioAtMost(1.2);
        assert_eq!(met(within, &[1.0, 1.1, 1.15, 1.15, 3.0, 3.0]), Some(true));
        assert_eq!(met(within, &[1.0, 1.1, 1.25, 1.25, 1.25, 1.25]), Some(false));
        assert_eq!(
            met(Goal::RatioAtMost(1.0), &[1.0; 6]),
            Some(true),
            "at most is met by equality"
        );
    }

    #[test]
    fn a_cost_is_judged_by_the_bound_of_our_own() {
        let none = Goal::CostAtMost(500.0);
        let costs = |last: f64| [50.0, 50.0, 50.0, 50.0, 50.0, last];
        // Against a peer that needs next to nothing, too.
        let worse = compared(&[100.0; 6]);
        assert_eq!(none.met(&worse, &costs(500.0)), Some(true));
        assert_eq!(none.met(&worse, &costs(501.0)), Some(false));
        assert_eq!(none.met(&worse, &costs(0.0)[..5]), None);
    }

    #[test]
    fn too_few_rounds_decide_nothing() {
        for goal in [Goal::BoundBelow(1.0), Goal::RatioAtMost(1.2)] {
            for rounds in 0..6 {
                assert_eq!(met(goal, &vec![0.1; rounds]), None, "{goal:?}, {rounds} rounds");
            }
            assert_eq!(met(goal, &[0.1; 6]), Some(true));
        }
    }

    #[test]
    fn goals_are_read_as_programs_write_them() {
        let read = |text: &str| serde_json::from_str::<Goal>(text).unwrap();
        assert_eq!(read(r#"{"kind":"bound-below","limit":1.0}"#), Goal::BoundBelow(1.0));
        assert_eq!(read(r#"{"kind":"ratio-at-most","limit":1.2}"#), Goal::RatioAtMost(1.2));
        assert_eq!(read(r#"{"kind":"cost-at-most","limit":500.0}"#), Goal::CostAtMost(500.0));
        assert_eq!(Goal::RatioAtMost(1.0 / 3.0).brief(), "<= 0.33");
        assert_eq!(Goal::CostAtMost(500.0).brief(), "ours <= 500 ns");
    }

    #[test]
    fn times_have_three_digits() {
        for (ns, text) in [(7.123, "7.12 ns"), (53_120.0, "53.1 us"), (123_456_789.0, "123 ms")] {
            assert_eq!(nanoseconds(ns), text);
        }
        for (size, text) in [(80.96, "81.0 B"), (1_035.0, "1.03 kB"), (2_500_000.0, "2.50 MB")] {
            assert_eq!(amount(Cost::Bytes, size), text);
        }
        assert_eq!(amount(Cost::Cpu, 80.0), "80.0 ns");
    }

    #[test]
    fn bytes_are_judged_and_named_as_such() {
        let goal = Goal::BytesAtMost(128.0);
        assert_eq!(goal.met(&compared(&[1.0; 6]), &[128.0; 6]), Some(true));
        assert_eq!(goal.met(&compared(&[1.0; 6]), &[129.0; 6]), Some(false));
        assert_eq!(goal.brief(), "ours <= 128 B");
        assert!(goal.to_string().ends_with("at most 128 B"), "{goal}");
        let read = serde_json::from_str::<Goal>(r#"{"kind":"bytes-at-most","limit":128.0}"#);
        assert_eq!(read.unwrap(), goal);
    }
}
