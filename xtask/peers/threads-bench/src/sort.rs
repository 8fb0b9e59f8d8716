//! Many elements, sorted.

use std::cmp::Ordering;

use rayon::slice::ParallelSliceMut as _;
use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Executor, on_thread},
    external::warm_up,
};

/// A key in the upper half, and in the lower one the place where it was: those with equal keys are
/// equal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element(u64);

impl Element {
    /// By what it is sorted.
    fn key(self) -> u64 {
        self.0 >> 32
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Element {}

/// How elements are sorted.
type Sort = fn(&mut [Element]);

/// The two metrics.
pub(crate) fn metrics(workers: usize) -> Vec<Metric> {
    let metric = |name: &str, how: &str, [ours, rayon, std]: [Sort; 3], order: Order| Metric {
        name: name.into(),
        about: format!("Elements of eight bytes in random order, {how}; about as many keys."),
        unit: "element",
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 10_000_000, smoke: 100_000 },
        named_only: false,
        ours: contender::<threads::Pool>(workers, ours, order),
        peers: vec![
            contender::<rayon::ThreadPool>(workers, rayon, order)
                .peer()
                .required(Goal::BoundBelow(1.05))
                .stretch(Goal::BoundBelow(1.0)),
            Contender::new("std", move |units| on_thread(move || sample(units, std, order))).peer(),
        ],
        baseline: None,
    };
    let stable: [Sort; 3] =
        [threads::par_sort, |elements| elements.par_sort(), |elements| elements.sort()];
    let unstable: [Sort; 3] = [
        threads::par_sort_unstable,
        |elements| elements.par_sort_unstable(),
        |elements| elements.sort_unstable(),
    ];
    vec![
        metric("par.sort", "those with equal keys stay in their order", stable, in_place),
        metric("par.sort-unstable", "those with equal keys in any order", unstable, by_key),
    ]
}

/// Whether one element may come before another one.
type Order = fn(Element, Element) -> bool;

/// By their keys, and those with equal ones by the place where they were.
fn in_place(a: Element, b: Element) -> bool {
    a.0 < b.0
}

/// By their keys alone.
fn by_key(a: Element, b: Element) -> bool {
    a <= b
}

/// On a worker of this pool.
fn contender<P: Executor>(workers: usize, sort: Sort, order: Order) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = P::start(workers);
        warm_up(&pool);
        pool.ask(move |units| sample(units, sort, order), units)
    })
}

/// Sorts so many elements.
fn sample(units: u64, sort: Sort, order: Order) -> Sample {
    let placed = (0..).zip(numbers(units)).map(|(place, number)| {
        // Half as many keys as elements, so that there are equal ones.
        let key = number % (units / 2).max(1);
        Element(key << 32 | place)
    });
    let mut elements: Vec<Element> = placed.collect();
    let sum = |elements: &[Element]| {
        elements.iter().fold(0, |sum: u64, element| sum.wrapping_add(element.0))
    };
    let expected = Tally { count: units, sum: sum(&elements) };
    let watch = Stopwatch::start();
    sort(&mut elements);
    let times = watch.stop();
    let right = elements.windows(2).filter(|pair| order(pair[0], pair[1])).count() as u64 + 1;
    Sample::new(units, times, Tally { count: right, sum: sum(&elements) }, expected)
}

/// So many numbers without any order, always the same ones (splitmix64).
pub(crate) fn numbers(count: u64) -> Vec<u64> {
    let number = |index: u64| {
        let x = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    (1..=count).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_sorted_is_seen() {
        let checked = |sort: Sort, order| {
            let sample = sample(1_000, sort, order);
            (sample.checked == 1_000, sample.problem.is_none())
        };
        assert_eq!(checked(<[Element]>::sort, in_place), (true, true));
        assert_eq!(checked(<[Element]>::sort_unstable, by_key), (true, true));
        assert_eq!(checked(|_| (), by_key), (false, true), "nothing was done");
        assert_eq!(checked(|elements| elements.fill(Element(7)), by_key), (true, false));
        let unstable: Sort = |elements| elements.sort_by_key(|element| (element.key(), !element.0));
        assert_eq!(checked(unstable, by_key), (true, true));
        assert_eq!(checked(unstable, in_place), (false, true), "equal ones changed places");
    }
}
