//! The shape *tree*: nodes that divide until they are leaves.
//!
//! A lane walks it as its users would: [`visit`](Tree::visit) a node, and if it is an inner one,
//! fork into both halves, the left one first, join, and put [together](Fold::of) what came of them.
//! A lane that cannot fork takes [`Parts`].

mod memory;
mod parts;

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{Body, Digest, Fork, Job, body::steps, rng::mix};

use self::memory::Memory;

pub use parts::Parts;

/// What divides.
#[derive(Debug)]
pub struct Tree {
    /// Its nodes.
    nodes: Nodes,
}

/// Where the nodes of a tree come from.
#[derive(Debug)]
enum Nodes {
    /// The calls of the naive Fibonacci function with this argument.
    Calls(u32),
    /// They lie in memory.
    Memory(Memory),
    /// They lie in memory, and the leaves take so many steps.
    Computing(Memory, u64),
}

/// A node of a tree: a number that says something to its tree only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node(u32);

/// What a node turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// It does not divide; this is its result.
    Leaf(Fold),
    /// It divides in two.
    Inner {
        /// What the node itself contributes.
        own: u64,
        /// The half to be visited first: it lies next in memory.
        left: Node,
        /// The other half.
        right: Node,
    },
}

/// What came of a node and everything below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// How many nodes these were.
    pub nodes: u64,
    /// What they fold to. The two sides weigh differently, so that results that change places show.
    pub word: u64,
}

impl Fold {
    /// A single node.
    #[inline]
    const fn leaf(word: u64) -> Self {
        Self { nodes: 1, word }
    }

    /// What comes of an inner node.
    #[inline]
    pub const fn of(own: u64, left: Self, right: Self) -> Self {
        let halves = left.word.wrapping_mul(3).wrapping_add(right.word.wrapping_mul(5));
        Self { nodes: 1 + left.nodes + right.nodes, word: own.wrapping_add(halves) }
    }

    /// The digest of a whole tree that folds to this.
    pub const fn digest(self) -> Digest {
        Digest { count: self.nodes, sum: self.word, xor: mix(self.word) }
    }
}

impl Tree {
    /// The tree of `job`; `None` when the job has none.
    pub fn new(job: &Job) -> Option<Self> {
        let Body::Fork(fork) = job.body else { return None };
        let nodes = match fork {
            Fork::Calls { n } => Nodes::Calls(n),
            Fork::Nodes { nodes } => Nodes::Memory(Memory::new(job.seed, nodes)),
            // A tree in which every inner node has two halves.
            Fork::Leaves { leaves, iterations } => {
                Nodes::Computing(Memory::new(job.seed, 2 * leaves - 1), iterations)
            }
        };
        Some(Self { nodes })
    }

    /// The tree of `job`, made when this process asks for it for the first time, and kept until
    /// another one is asked for; `None` when the job has none.
    pub fn shared(job: &Job) -> Option<Arc<Self>> {
        static LAST: Mutex<Option<(Job, Arc<Tree>)>> = Mutex::new(None);
        // What is in there is never half made.
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, tree)) = &*last
            && of == job
        {
            return Some(Arc::clone(tree));
        }
        let tree = Arc::new(Self::new(job)?);
        *last = Some((job.clone(), Arc::clone(&tree)));
        Some(tree)
    }

    /// Where it begins.
    #[inline]
    pub const fn root(&self) -> Node {
        match self.nodes {
            Nodes::Calls(n) => Node(n),
            Nodes::Memory(_) | Nodes::Computing(..) => Node(0),
        }
    }

    /// Looks at a node; a leaf is computed, if that is what leaves do.
    ///
    /// # Panics
    /// If the node is another tree's.
    #[inline]
    pub fn visit(&self, node: Node) -> Visit {
        match &self.nodes {
            Nodes::Calls(_) if node.0 < 2 => Visit::Leaf(Fold::leaf(node.0.into())),
            Nodes::Calls(_) => {
                Visit::Inner { own: node.0.into(), left: Node(node.0 - 1), right: Node(node.0 - 2) }
            }
            Nodes::Memory(memory) => memory.visit(node, Fold::leaf),
            Nodes::Computing(memory, iterations) => {
                memory.visit(node, |word| Fold::leaf(steps(word | 1, *iterations)))
            }
        }
    }

    /// What the whole tree folds to, found without recursion and from the other end: leaves first.
    pub(crate) fn reference(&self) -> Fold {
        match &self.nodes {
            Nodes::Calls(n) => calls(*n),
            Nodes::Memory(memory) => memory.reference(Fold::leaf),
            Nodes::Computing(memory, iterations) => {
                memory.reference(|word| Fold::leaf(steps(word | 1, *iterations)))
            }
        }
    }
}

/// What the calls with argument `n` fold to: each from the two before.
fn calls(n: u32) -> Fold {
    let (mut before, mut now) = (Fold::leaf(0), Fold::leaf(1));
    for argument in 2..=n {
        (before, now) = (now, Fold::of(argument.into(), now, before));
    }
    if n == 0 { before } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq;

    /// One of each kind.
    const KINDS: [Fork; 3] = [
        Fork::Calls { n: 13 },
        Fork::Nodes { nodes: 4_001 },
        Fork::Leaves { leaves: 100, iterations: 10 },
    ];

    fn tree(body: Fork) -> Tree {
        Tree::new(&Job { seed: 1, body: Body::Fork(body) }).unwrap()
    }

    #[test]
    fn walking_and_the_reference_agree() {
        for (kind, nodes) in KINDS.into_iter().zip([753, 4_001, 199]) {
            let tree = tree(kind);
            assert_eq!(seq::fold(&tree, tree.root()), tree.reference(), "{kind:?}");
            assert_eq!(tree.reference().nodes, nodes, "{kind:?}");
        }
        for (n, nodes) in [(0, 1), (1, 1), (2, 3)] {
            assert_eq!(tree(Fork::Calls { n }).reference().nodes, nodes);
        }
    }

    /// Folds as a lane that goes wrong at the inner node `at` would.
    fn wrong(tree: &Tree, node: Node, at: &mut u64, goes: fn(u64, Fold, Fold) -> Fold) -> Fold {
        match tree.visit(node) {
            Visit::Leaf(fold) => fold,
            Visit::Inner { own, left, right } => {
                let here = *at == 0;
                *at = at.wrapping_sub(1);
                let left = wrong(tree, left, at, goes);
                let right = wrong(tree, right, at, goes);
                if here { goes(own, left, right) } else { Fold::of(own, left, right) }
            }
        }
    }

    #[test]
    fn halves_that_are_skipped_doubled_or_swapped_show() {
        let wrongs: [fn(u64, Fold, Fold) -> Fold; 4] = [
            |own, left, _| Fold::of(own, left, Fold::default()),
            |own, left, _| Fold::of(own, left, left),
            |own, left, right| Fold::of(own, right, left),
            |own, left, _| Fold { nodes: left.nodes + 1, word: own },
        ];
        for kind in KINDS {
            let tree = tree(kind);
            let right = tree.reference();
            for (number, goes) in wrongs.into_iter().enumerate() {
                for at in [0, 7] {
                    let found = wrong(&tree, tree.root(), &mut { at }, goes);
                    assert_ne!(found.digest(), right.digest(), "{kind:?}, {number} at {at}");
                }
            }
        }
    }

    #[test]
    fn a_tree_is_kept_until_another_is_asked_for() {
        let job = |seed| Job { seed, body: Body::Fork(Fork::Nodes { nodes: 5 }) };
        let first = Tree::shared(&job(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &Tree::shared(&job(1)).unwrap()));
        assert_ne!(first.reference(), Tree::shared(&job(2)).unwrap().reference());
        let no_tree = Job { seed: 1, body: Body::Wait(crate::Wait { wait_us: 1 }) };
        assert!(Tree::shared(&no_tree).is_none());
    }
}
