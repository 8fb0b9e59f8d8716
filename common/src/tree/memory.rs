//! Nodes in memory, in the order in which they are visited.

use crate::rng::{SplitMix64, mix};

use super::{Fold, Node, Visit};

/// A tree in which every inner node has two halves, of sizes that chance decides, as in a search
/// tree of random keys: about three times as deep as a balanced one.
///
/// The left half of a node lies right behind it, so a walk that takes the left one first goes through
/// memory once, forwards. That is what makes lanes comparable: one that goes the other way pays for
/// memory and not for its forks.
#[derive(Debug)]
pub(super) struct Memory(Vec<Entry>);

/// A node.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// What it is worth.
    word: u64,
    /// Where its right half lies; 0, where only the root lies: it is a leaf.
    right: u32,
}

impl Memory {
    /// A tree of so many nodes; one less if that is an even number, but at least one.
    pub(super) fn new(seed: u64, nodes: u32) -> Self {
        let nodes = (nodes.max(1) - 1) / 2 * 2 + 1;
        let mut random = SplitMix64::derive(seed, nodes.into());
        let mut entries: Vec<Entry> = Vec::with_capacity(nodes as usize);
        // The sizes of the parts that are still to come, the next one last.
        let mut sizes = vec![nodes];
        while let Some(size) = sizes.pop() {
            let at = u32::try_from(entries.len()).expect("there are as many as were asked for");
            let mut right = 0;
            if size > 1 {
                // Both halves are odd again: a leaf each, and pairs shared out by chance.
                let pairs = random.below(u64::from(size - 1) / 2);
                let left = 2 * u32::try_from(pairs).expect("less than the size") + 1;
                right = at + 1 + left;
                sizes.extend([size - 1 - left, left]);
            }
            entries.push(Entry { word: mix(seed ^ u64::from(at)), right });
        }
        Self(entries)
    }

    /// Looks at a node.
    #[inline]
    pub(super) fn visit(&self, node: Node, leaf: impl FnOnce(u64) -> Fold) -> Visit {
        let Entry { word, right } = self.0[node.0 as usize];
        if right == 0 {
            return Visit::Leaf(leaf(word));
        }
        Visit::Inner { own: word, left: Node(node.0 + 1), right: Node(right) }
    }

    /// What the whole tree folds to: backwards, so that both halves of a node are known before it.
    pub(super) fn reference(&self, leaf: impl Fn(u64) -> Fold) -> Fold {
        let mut folds = vec![Fold::default(); self.0.len()];
        for (at, entry) in self.0.iter().enumerate().rev() {
            folds[at] = match entry.right {
                0 => leaf(entry.word),
                right => Fold::of(entry.word, folds[at + 1], folds[right as usize]),
            };
        }
        folds[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How deep the tree below a node is.
    fn depth(memory: &Memory, node: Node) -> u32 {
        match memory.visit(node, |_| Fold::default()) {
            Visit::Leaf(_) => 1,
            Visit::Inner { left, right, .. } => 1 + depth(memory, left).max(depth(memory, right)),
        }
    }

    #[test]
    fn has_the_size_asked_for_and_is_neither_balanced_nor_a_list() {
        for (asked, nodes) in [(0, 1), (1, 1), (2, 1), (3, 3), (4, 3), (99_999, 99_999)] {
            assert_eq!(Memory::new(3, asked).0.len(), nodes, "{asked}");
        }
        // A balanced one would have 17 levels.
        let depth = depth(&Memory::new(3, 99_999), Node(0));
        assert!((25..100).contains(&depth), "{depth}");
    }
}
