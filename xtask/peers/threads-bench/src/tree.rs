//! Adding up a tree, with a join at each node.

use std::hint::black_box;

use sampler::Tally;

use crate::join::Work;

/// A node of a tree of which all leaves are equally deep.
#[derive(Debug, Default)]
struct Node {
    /// What is added up.
    value: u64,
    /// What comes next in memory and in every visit.
    left: Option<&'static Node>,
    /// What comes after all that is on the left.
    right: Option<&'static Node>,
}

/// What is told of each node that is visited: nothing, except in a test. It is a type of its own so
/// that it takes no place in closures.
trait Visit: Fn(&Node) + Copy + Send + Sync {}

impl<F: Fn(&Node) + Copy + Send + Sync> Visit for F {}

/// A tree with `NODES` nodes, one less than a power of two.
///
/// Its nodes lie in one piece of memory, in the order in which they are visited: all contenders read
/// it from its beginning to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<const NODES: usize> {
    /// The root.
    root: &'static Node,
}

/// Grows a tree in this memory, which it fills.
fn grow(memory: &'static mut [Node], next: &mut u64) -> Option<&'static Node> {
    let (root, rest) = memory.split_first_mut()?;
    let (left, right) = rest.split_at_mut(rest.len() / 2);
    // Sums of these numbers hold how many they are of in their lower half.
    root.value = *next << 32 | 1;
    *next += 1;
    root.left = grow(left, next);
    root.right = grow(right, next);
    Some(root)
}

/// Without any joins.
fn serial(node: &'static Node, visit: impl Visit) -> u64 {
    visit(node);
    let left = node.left.map_or(0, |node| serial(node, visit));
    let right = node.right.map_or(0, |node| serial(node, visit));
    node.value + left + right
}

/// With ours.
fn ours(node: &'static Node, visit: impl Visit) -> u64 {
    visit(node);
    let (left, right) = threads::join(
        || node.left.map_or(0, |node| ours(node, visit)),
        || node.right.map_or(0, |node| ours(node, visit)),
    );
    node.value + left + right
}

/// With that of rayon.
fn rayon(node: &'static Node, visit: impl Visit) -> u64 {
    visit(node);
    let (left, right) = rayon::join(
        || node.left.map_or(0, |node| rayon(node, visit)),
        || node.right.map_or(0, |node| rayon(node, visit)),
    );
    node.value + left + right
}

/// With that of chili, which calls its second closure first: so that is the one for the left side.
fn chili(node: &'static Node, scope: &mut chili::Scope<'_>, visit: impl Visit) -> u64 {
    visit(node);
    let (right, left) = scope.join(
        |scope| node.right.map_or(0, |node| chili(node, scope, visit)),
        |scope| node.left.map_or(0, |node| chili(node, scope, visit)),
    );
    node.value + left + right
}

impl<const NODES: usize> Work for Tree<NODES> {
    const UNIT: &'static str = "node";
    const UNITS: u64 = NODES as u64;

    fn prepare() -> Self {
        let memory: Vec<Node> = (0..NODES).map(|_| Node::default()).collect();
        Self { root: grow(memory.leak(), &mut 0).expect("a tree has nodes") }
    }

    fn serial(self) -> u64 {
        serial(black_box(self.root), |_| ())
    }

    fn ours(self) -> u64 {
        ours(black_box(self.root), |_| ())
    }

    fn rayon(self) -> u64 {
        rayon(black_box(self.root), |_| ())
    }

    fn chili(self, scope: &mut chili::Scope<'_>) -> u64 {
        chili(black_box(self.root), scope, |_| ())
    }

    fn found(result: u64) -> Tally {
        Tally { count: result & u64::from(u32::MAX), sum: result >> 32 }
    }

    fn expected() -> Tally {
        Tally::of_range(Self::UNITS)
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZero, ptr, sync::Mutex};

    use super::*;

    /// Large enough for every way that a join can go.
    type Large = Tree<65_535>;

    /// The addresses of the nodes in the order in which they are visited on one thread, while the
    /// sum is right.
    fn visited(sum: impl Fn(&'static Node, &(dyn Fn(&Node) + Sync)) -> u64) -> Vec<usize> {
        let seen = Mutex::new(Vec::new());
        let see = |node: &Node| seen.lock().unwrap().push(ptr::from_ref(node).addr());
        let result = sum(Large::prepare().root, &see);
        assert_eq!(Large::found(result), Large::expected());
        seen.into_inner().unwrap()
    }

    /// That each node is visited once, and that they are visited in the order of their addresses.
    #[track_caller]
    fn assert_ascending(visited: &[usize]) {
        assert_eq!(visited.len(), 65_535);
        let step = size_of::<Node>();
        assert!(visited.windows(2).all(|pair| pair[1] == pair[0] + step), "another order");
    }

    #[test]
    fn all_contenders_visit_the_nodes_in_the_order_of_their_addresses() {
        assert_ascending(&visited(|root, see| serial(root, see)));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_ascending(&visited(|root, see| pool.install(|| rayon(root, see))));
        let config = chili::Config { thread_count: NonZero::new(1), ..chili::Config::default() };
        let pool = chili::ThreadPool::with_config(config);
        assert_ascending(&visited(|root, see| chili(root, &mut pool.scope(), see)));
        // On the only worker: whoever calls from outside is one more.
        let pool = threads::Pool::new(1).unwrap();
        let on_worker = || visited(|root, see| ours(root, see));
        assert_ascending(&pool.spawn(on_worker).join().unwrap());
    }
}
