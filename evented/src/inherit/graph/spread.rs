//! How urgency goes from those who wait to those for whom they wait.

use super::{Change, Edge, Graph, Kind};
use crate::inherit::Urgency;
use crate::tasks::NONE;

impl Graph {
    /// Finds out how urgent a node is, and all that it waits for.
    pub(super) fn settle(&mut self, start: u32, changes: &mut Vec<Change>) {
        let mut reached = vec![start];
        self.nodes[start as usize].is_reached = true;
        let mut next = 0;
        while let Some(&node) = reached.get(next) {
            next += 1;
            let mut edge = self.nodes[node as usize].outgoing;
            while edge != NONE {
                let Edge { to, out_list, .. } = self.edges[edge as usize];
                if !std::mem::replace(&mut self.nodes[to as usize].is_reached, true) {
                    reached.push(to);
                }
                edge = out_list.1;
            }
        }
        // First each by itself, then with those who wait: nothing is left that holds itself up.
        let before: Vec<_> =
            reached.iter().map(|&node| (node, self.nodes[node as usize].urgency)).collect();
        for &node in &reached {
            let node = &mut self.nodes[node as usize];
            node.is_reached = false;
            node.urgency = node.own;
        }
        for &node in &reached {
            self.link_outgoing(node);
        }
        self.raise(reached, &mut Vec::new());
        self.report(before, changes);
    }

    /// Makes nodes as urgent as those who wait for them, and so on. Notes what they were before, once or
    /// more. Ends: an urgency changes only for a more urgent rank, or an earlier deadline.
    pub(super) fn raise(&mut self, mut nodes: Vec<u32>, before: &mut Vec<(u32, Option<Urgency>)>) {
        while let Some(node) = nodes.pop() {
            let Some(best) = self.best_waiter(node) else { continue };
            before.push((node, self.nodes[node as usize].urgency.replace(best)));
            self.link_outgoing(node);
            let mut edge = self.nodes[node as usize].outgoing;
            while edge != NONE {
                nodes.push(self.edges[edge as usize].to);
                edge = self.edges[edge as usize].out_list.1;
            }
        }
    }

    /// The urgency of somebody who waits for a node, if it outranks that of the node.
    fn best_waiter(&self, node: u32) -> Option<Urgency> {
        let node = &self.nodes[node as usize];
        let rank = node.waiter_ranks.trailing_zeros() as usize;
        let mut edge = *node.waiters.get(rank)?;
        if node.urgency.is_some_and(|own| own.rank.index() < rank) {
            return None;
        }
        let (mut best, mut found) = (node.urgency, false);
        while edge != NONE {
            let Edge { from, in_list, .. } = self.edges[edge as usize];
            let waiter = self.nodes[from as usize].urgency?;
            if best.is_none_or(|best| waiter.outranks(best)) {
                (best, found) = (Some(waiter), true);
            }
            // Without deadlines nobody of this rank goes before another.
            if best.is_some_and(|best| best.rank.index() == rank && best.deadline.is_none()) {
                break;
            }
            edge = in_list.1;
        }
        if found { best } else { None }
    }

    /// Reports those tasks of which the urgency is not what it was before.
    pub(super) fn report(&self, before: Vec<(u32, Option<Urgency>)>, changes: &mut Vec<Change>) {
        for (node, urgency) in before {
            if self.nodes[node as usize].urgency != urgency {
                changes.extend(self.change_of(node));
            }
        }
    }

    /// How a task has to be queued. None for a gate.
    pub(super) fn change_of(&self, node: u32) -> Option<Change> {
        let node = &self.nodes[node as usize];
        let (Kind::Task { slot, deadline }, Some(urgency)) = (node.kind, node.urgency) else {
            return None;
        };
        let deadline = urgency.deadline.unwrap_or(deadline);
        let is_boosted = node.urgency != node.own;
        Some(Change { slot, class: urgency.class, deadline, is_boosted })
    }
}
