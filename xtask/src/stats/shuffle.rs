//! Random order that can be repeated.

use common::rng::SplitMix64;

/// Puts `items` into the order that `seed` stands for, every order being equally likely: the
/// shuffle of Fisher and Yates. One seed per round gives each round its own order of lanes.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = SplitMix64::new(seed);
    for last in (1..items.len()).rev() {
        let other = random.below(last as u64 + 1);
        items.swap(last, usize::try_from(other).expect("an index"));
    }
}

/// The items in blocks: each comes right after the items of the same block that come before it, and
/// the blocks in the order of their first items. Of shuffled items, this is the order of a randomised
/// block design (R. A. Fisher, "The Design of Experiments", 1935).
pub fn in_blocks<T, B: PartialEq>(items: Vec<T>, block_of: impl Fn(&T) -> B) -> Vec<T> {
    let mut blocks: Vec<(B, Vec<T>)> = Vec::new();
    for item in items {
        let block = block_of(&item);
        match blocks.iter_mut().find(|(known, _)| *known == block) {
            Some((_, members)) => members.push(item),
            None => blocks.push((block, vec![item])),
        }
    }
    blocks.into_iter().flat_map(|(_, members)| members).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_order_comes_up_equally_often() {
        let rounds = 24_000_u64;
        let mut seen: HashMap<[u8; 4], u32> = HashMap::new();
        for seed in 0..rounds {
            let mut order = [0, 1, 2, 3];
            shuffle(&mut order, seed);
            *seen.entry(order).or_default() += 1;
        }
        assert_eq!(seen.len(), 24);
        // 1,000 each, with a standard deviation of 31.
        assert!(seen.values().all(|count| (850..1_150).contains(count)), "{seen:?}");
    }

    #[test]
    fn a_block_stays_together_in_its_order() {
        let items = vec!["b1", "a1", "b2", "c1", "a2", "b3"];
        let sorted = in_blocks(items, |item| item.as_bytes()[0]);
        assert_eq!(sorted, ["b1", "b2", "b3", "a1", "a2", "c1"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_seed_decides(
            items in prop::collection::vec(any::<u16>(), 0..50), seed: u64
        ) {
            let (mut once, mut again) = (items.clone(), items.clone());
            shuffle(&mut once, seed);
            shuffle(&mut again, seed);
            prop_assert_eq!(&once, &again);
            let mut expected = items;
            expected.sort_unstable();
            once.sort_unstable();
            prop_assert_eq!(once, expected);
        }
    }
}
