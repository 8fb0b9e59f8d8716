//! Rounds: everything once, in random order; those that others disturbed are executed again.
//!
//! Both `compare` and `bench` take their samples this way, so that every ratio that the project
//! quotes was made by the same rules.

use crate::{
    error::Result,
    host::Purpose,
    interrupt,
    measure::{NoiseProbe, children_cpu},
    stats::shuffle,
};

/// How often the rounds that belong together are repeated, all together, because others disturbed
/// them.
const REPEATS: usize = 2;

/// Rounds below which no budget goes.
pub(crate) const FEWEST_ROUNDS: usize = 3;

/// How much others disturbed a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Disturbance {
    /// Whether it was too much.
    pub noisy: bool,
    /// The share of the machine that they took; `None`: it was over too soon to tell.
    pub share: Option<f64>,
}

/// These in the random order that `seed` stands for.
pub(crate) fn shuffled<T: Copy>(items: &[T], seed: u64) -> Vec<T> {
    let mut order = items.to_vec();
    shuffle(&mut order, common::rng::mix(seed));
    order
}

/// Executes each of these once, in this order; how much others disturbed it. The processes that are
/// executed have to be waited for by `execute`.
///
/// # Errors
/// When the user interrupts, and those of `execute`.
pub(crate) fn once<T>(
    order: Vec<T>,
    mut execute: impl FnMut(T) -> Result<()>,
) -> Result<Disturbance> {
    let (probe, before) = (NoiseProbe::start(), children_cpu());
    for item in order {
        interrupt::check()?;
        execute(item)?;
    }
    let noise = probe.finish(children_cpu().saturating_sub(before));
    Ok(Disturbance { noisy: noise.is_noisy(), share: noise.lost() })
}

/// How often rounds that belong together may still be repeated.
#[derive(Debug)]
pub(crate) struct Repeats {
    /// That often.
    left: usize,
}

impl Repeats {
    /// None repeated yet; where only results count, none will be.
    pub(crate) fn new(purpose: Purpose) -> Self {
        let left = match purpose {
            Purpose::Times => REPEATS,
            Purpose::Results => 0,
        };
        Self { left }
    }

    /// Whether a round that was disturbed like this is to be executed again; counted as done then.
    /// Not when time is short.
    pub(crate) fn again(&mut self, last: Disturbance, late: bool) -> bool {
        let again = last.noisy && self.left > 0 && !late;
        self.left -= usize::from(again);
        again
    }
}

/// Of the repetitions of one round, the least disturbed: the one that counts. The others stay in the
/// record.
pub(crate) fn least_disturbed(repetitions: &[Disturbance]) -> Option<usize> {
    let share = |index: usize| repetitions[index].share.unwrap_or_default();
    (0..repetitions.len()).min_by(|a, b| share(*a).total_cmp(&share(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round of which others took this share.
    fn disturbed(share: f64) -> Disturbance {
        Disturbance { noisy: share > 0.1, share: Some(share) }
    }

    #[test]
    fn noisy_rounds_are_repeated_until_patience_or_time_ends() {
        let mut repeats = Repeats::new(Purpose::Times);
        assert!(!repeats.again(disturbed(0.05), false), "a quiet one");
        assert!(!repeats.again(disturbed(0.5), true), "no time");
        assert!(repeats.again(disturbed(0.5), false));
        assert!(repeats.again(disturbed(0.4), false));
        assert!(!repeats.again(disturbed(0.3), false), "twice is enough");
    }

    #[test]
    fn the_least_disturbed_counts() {
        assert_eq!(least_disturbed(&[disturbed(0.5), disturbed(0.2), disturbed(0.3)]), Some(1));
        let unknown = Disturbance { noisy: false, share: None };
        assert_eq!(least_disturbed(&[unknown]), Some(0));
        assert_eq!(least_disturbed(&[]), None);
    }

    #[test]
    fn each_is_executed_once_and_the_seed_decides_the_order() {
        let order = |seed| {
            let mut seen = Vec::new();
            let execute = |item| {
                seen.push(item);
                Ok(())
            };
            once(shuffled(&[1, 2, 3, 4, 5], seed), execute).unwrap();
            seen
        };
        assert_eq!(order(1), order(1));
        assert!((2..20).any(|seed| order(seed) != order(1)));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3, 4, 5]);
    }
}
