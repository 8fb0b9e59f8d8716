//! A tree in pieces, for lanes that do not fork: the top is walked by whoever hands out the pieces.

use std::collections::VecDeque;

use super::{Fold, Node, Tree, Visit};

/// The pieces of a tree below its top.
#[derive(Debug)]
pub struct Parts {
    /// The roots of the pieces, in the order of a walk.
    pub nodes: Vec<Node>,
    /// The nodes above them; the root is the first.
    top: Vec<Top>,
}

/// A node of the top.
#[derive(Clone, Copy, Debug)]
enum Top {
    /// A piece that is to be handed out.
    Open(Node),
    /// A leaf that lies so high that it was visited on the way.
    Known(Fold),
    /// It divides; where its halves lie in the top.
    Inner(u64, usize, usize),
}

impl Parts {
    /// Pieces to ask for for each worker: they differ in size.
    pub const PER_WORKER: usize = 16;

    /// Divides a tree, the highest nodes first, until there are at least so many pieces, as far as it
    /// has that many.
    pub fn of(tree: &Tree, at_least: usize) -> Self {
        let mut top = vec![Top::Open(tree.root())];
        let mut open = VecDeque::from([(0, tree.root())]);
        while open.len() < at_least
            && let Some((at, node)) = open.pop_front()
        {
            top[at] = match tree.visit(node) {
                Visit::Leaf(fold) => Top::Known(fold),
                Visit::Inner { own, left, right } => {
                    let first = top.len();
                    top.extend([left, right].map(Top::Open));
                    open.extend([(first, left), (first + 1, right)]);
                    Top::Inner(own, first, first + 1)
                }
            };
        }
        let mut parts = Self { nodes: Vec::new(), top };
        let mut nodes = Vec::new();
        parts.walk(0, &mut |node| {
            nodes.push(node);
            Fold::default()
        });
        parts.nodes = nodes;
        parts
    }

    /// What the whole tree folds to, from what its pieces do, in the order of
    /// [`nodes`](Self::nodes).
    ///
    /// # Panics
    /// If there are fewer results than pieces.
    pub fn fold(&self, results: impl IntoIterator<Item = Fold>) -> Fold {
        let mut results = results.into_iter();
        self.walk(0, &mut |_| results.next().expect("each piece has a result"))
    }

    /// Folds the top below `at`.
    fn walk(&self, at: usize, piece: &mut dyn FnMut(Node) -> Fold) -> Fold {
        match self.top[at] {
            Top::Open(node) => piece(node),
            Top::Known(fold) => fold,
            Top::Inner(own, left, right) => {
                let left = self.walk(left, piece);
                Fold::of(own, left, self.walk(right, piece))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Fork, Job, seq};

    #[test]
    fn pieces_make_the_whole() {
        let kinds = [
            Fork::Calls { n: 12 },
            Fork::Nodes { nodes: 999 },
            Fork::Leaves { leaves: 9, iterations: 3 },
        ];
        for kind in kinds {
            let tree = Tree::new(&Job { seed: 5, body: Body::Fork(kind) }).unwrap();
            for at_least in [0, 1, 2, 8, 50, 5_000] {
                let parts = Parts::of(&tree, at_least);
                let results = parts.nodes.iter().map(|node| seq::fold(&tree, *node));
                assert_eq!(parts.fold(results), tree.reference(), "{kind:?} in {at_least}");
                if at_least == 8 && !matches!(kind, Fork::Leaves { .. }) {
                    assert!((8..=9).contains(&parts.nodes.len()), "{kind:?}: {parts:?}");
                }
            }
        }
    }
}
