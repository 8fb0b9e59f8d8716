//! `cpu.tree`: fork and join in a tree.

use crate::{
    Body, Fork, Job,
    lane::{Plan, Shape},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload, iterations};

/// The workload.
pub(super) static TREE: CpuTree = CpuTree;

/// See the [module](self).
pub(super) struct CpuTree;

/// Time of a leaf that computes, in nanoseconds.
const LEAF_NS: f64 = 2e4;

impl Workload for CpuTree {
    fn id(&self) -> &'static str {
        "cpu.tree"
    }

    fn question(&self) -> &'static str {
        "what does it cost to divide work in two, again and again?"
    }

    fn about(&self) -> &'static str {
        "Fork and join at every node of a tree, the left half first: the calls of the naive \
         Fibonacci function, the nodes of an unbalanced tree in memory, and one whose leaves \
         compute. Where a node takes nanoseconds, this is the price of a fork that nobody else \
         takes up. It is like sorting, searching a game tree or walking a syntax tree."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (n, nodes, leaves) = match setting.tier {
            Tier::Smoke => (16, 5_001, 64),
            Tier::Quick => (32, 4_000_001, 4_096),
            Tier::Full => (36, 8_000_001, 16_384),
        };
        let iterations = iterations(LEAF_NS, setting.ns_per_iteration);
        let point = |label: &str, fork, size| {
            let job = Job { seed: SEED, body: Body::Fork(fork) };
            let plan = Plan { job, shape: Shape::Tree, overlap: 0, task_timeout_ms: None };
            Point::new(label, plan, size)
        };
        let leaf_us = LEAF_NS / 1e3;
        Ok(vec![
            point("calls", Fork::Calls { n }, format!("fib({n}), a fork at each call")),
            point("nodes", Fork::Nodes { nodes }, format!("{nodes} nodes, a fork at each")),
            point(
                "leaves",
                Fork::Leaves { leaves, iterations },
                format!("{leaves} leaves of {leaf_us:.0} us"),
            ),
        ])
    }
}
