//! How many units a sample takes: the same number for all contenders of a metric, found out once.

use super::{
    contract::{Amount, Metric},
    options::Options,
    program::{NoSample, Program},
    record::{Contender, Problem},
};

/// How long a sample is to take, about: long beside the start of threads and the resolution of
/// clocks, short beside what else happens on a machine.
const SAMPLE_NS: f64 = 60e6;

/// The same of a slice: short beside the time in which a machine becomes another one.
const SLICE_NS: f64 = 10e6;

/// How many times as long a sample of the slowest contender may take.
const LONGER: f64 = 8.0;

/// A sample that takes so long says how long more units take.
const ENOUGH_NS: u64 = 5_000_000;

/// By how much the work grows at the most from one trial to the next.
const GROWTH: u64 = 16;

/// The units of each sample of a metric; `None` when no contender could say. Contenders that fail
/// are noted as such.
///
/// Contenders differ, and the work must not: the number lies in the (geometric) middle between what
/// the slowest and the fastest do in the time of a sample, so that samples of both last as long as
/// that can be; but those of the slowest not so long that a run has no end.
///
/// # Errors
/// When the user interrupts.
pub(super) fn units(
    program: &Program,
    metric: &Metric,
    contenders: &mut [Contender],
    options: &Options,
) -> Result<Option<u64>, Interrupted> {
    let (first, step, wanted_ns) = match metric.amount {
        Amount::Fixed { units, smoke } => {
            return Ok(Some(if options.smoke { smoke } else { units }));
        }
        Amount::Calibrated { first, step } => (first.max(1), step.max(1), SAMPLE_NS),
        Amount::Sliced { first, step, .. } => (first.max(1), step.max(1), SLICE_NS),
    };
    if options.smoke {
        return Ok(Some(first));
    }
    let mut found = Vec::new();
    for contender in contenders {
        let sample = |units| {
            let sample = program.sample(&metric.name, &contender.name, units, options.limit)?;
            Ok(sample.wall_ns)
        };
        match in_time(first, wanted_ns, sample) {
            Ok(units) => found.push(units),
            Err(NoSample::Interrupted) => return Err(Interrupted),
            Err(NoSample::Problem(problem)) => contender.problem = Some(problem),
        }
    }
    Ok(middle(&found).map(|units| stepped(units, step)))
}

/// The user interrupted.
pub(super) struct Interrupted;

/// How many units take about so long, where `sample` says how long a number of them takes.
fn in_time(
    first: u64,
    wanted_ns: f64,
    mut sample: impl FnMut(u64) -> Result<u64, NoSample>,
) -> Result<f64, NoSample> {
    let mut units = first;
    loop {
        let ns = sample(units)?.max(1);
        if ns >= ENOUGH_NS {
            return Ok(units as f64 * wanted_ns / ns as f64);
        }
        let growth = (2 * ENOUGH_NS / ns).clamp(2, GROWTH);
        units = units.checked_mul(growth).ok_or_else(|| {
            let why = format!("{units} units take {ns} ns: it does no work");
            NoSample::Problem(Problem { wrong: true, why })
        })?;
    }
}

/// The geometric middle between the smallest and the largest, if that is not too far from the smallest.
fn middle(found: &[f64]) -> Option<u64> {
    let smallest = found.iter().copied().min_by(f64::total_cmp)?;
    let largest = found.iter().copied().max_by(f64::total_cmp)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of units, of which no program does as many as u64 can count"
    )]
    let units = (smallest * largest).sqrt().min(smallest * LONGER).max(1.0) as u64;
    Some(units)
}

/// The multiple of `step` nearest to so many units, and at least one.
fn stepped(units: u64, step: u64) -> u64 {
    ((units + step / 2) / step).max(1) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The units found for a contender that needs so long for each, after a start.
    fn found(ns_each: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
        in_time(100, SAMPLE_NS, |units| Ok((units as f64 * ns_each) as u64)).unwrap()
    }

    #[test]
    fn the_time_of_a_sample_is_reached_from_both_sides() {
        for ns_each in [0.5, 20.0, 1_000.0, 3e6] {
            let ns = found(ns_each) * ns_each;
            assert!((0.9..1.1).contains(&(ns / SAMPLE_NS)), "{ns_each} ns each: {ns}");
        }
    }

    #[test]
    fn a_contender_that_does_nothing_is_wrong() {
        let found = in_time(100, SAMPLE_NS, |_| Ok(10));
        assert!(matches!(found, Err(NoSample::Problem(Problem { wrong: true, .. }))), "{found:?}");
    }

    #[test]
    fn the_middle_is_as_far_from_the_slowest_as_from_the_fastest() {
        assert_eq!(middle(&[100.0, 4_900.0, 200.0]), Some(700));
        assert_eq!(middle(&[7.0]), Some(7));
        assert_eq!(middle(&[0.2]), Some(1));
        assert_eq!(middle(&[]), None);
    }

    #[test]
    fn the_slowest_does_not_take_for_ever() {
        assert_eq!(middle(&[100.0, 6_400.0]), Some(800));
        assert_eq!(middle(&[100.0, 100e6]), Some(800));
    }

    #[test]
    fn units_come_in_whole_steps() {
        assert_eq!(stepped(7, 1), 7);
        assert_eq!(stepped(1_534, 1_023), 1_023);
        assert_eq!(stepped(1_535, 1_023), 2_046);
        assert_eq!(stepped(3, 1_023), 1_023);
    }
}
