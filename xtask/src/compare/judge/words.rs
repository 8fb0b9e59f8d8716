//! Numbers as people say them.

use super::series::{Comparison, Judgement};

/// How the first lane compares with `other`, the second: "1.93x as fast as seq [1.88, 1.97]".
///
/// A comparison holds the ratio of times, of which less is better; people ask how many times as
/// fast.
pub(super) fn speed(comparison: &Comparison, other: &str) -> String {
    let (ratio, low, high) = (1.0 / comparison.ratio, 1.0 / comparison.high, 1.0 / comparison.low);
    format!("{}x as fast as {other} {}", digits(ratio), bracket(low, high, comparison))
}

/// How the first lane's need compares with the second's: "0.08x [0.07, 0.09]".
pub(super) fn share(comparison: &Comparison) -> String {
    format!(
        "{}x {}",
        digits(comparison.ratio),
        bracket(comparison.low, comparison.high, comparison)
    )
}

/// An interval; a range of too few rounds is marked as one.
fn bracket(low: f64, high: f64, comparison: &Comparison) -> String {
    let mark = if comparison.coverage.is_some() { "" } else { " range" };
    format!("[{}, {}]{mark}", digits(low), digits(high))
}

/// Three significant digits, as far as that makes sense.
pub(in crate::compare) fn digits(number: f64) -> String {
    match number.abs() {
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        size if size >= 0.0995 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// Nanoseconds in a fitting unit.
pub(in crate::compare) fn time(ns: f64) -> String {
    match ns {
        ns if ns >= 1e9 => format!("{} s", digits(ns / 1e9)),
        ns if ns >= 1e6 => format!("{} ms", digits(ns / 1e6)),
        ns if ns >= 1e3 => format!("{} us", digits(ns / 1e3)),
        ns => format!("{ns:.0} ns"),
    }
}

/// Bytes in a fitting unit.
pub(in crate::compare) fn bytes(count: f64) -> String {
    match count {
        count if count >= 1e9 => format!("{} GB", digits(count / 1e9)),
        count if count >= 1e6 => format!("{} MB", digits(count / 1e6)),
        count if count >= 1e3 => format!("{} kB", digits(count / 1e3)),
        count => format!("{count:.0} B"),
    }
}

/// A share as a percentage.
pub(in crate::compare) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A judgement as a word about the first lane.
pub(super) fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Faster => "faster",
        Judgement::Slower => "slower",
        Judgement::Tie => "tie",
        Judgement::Inconclusive => "cannot tell",
    }
}
