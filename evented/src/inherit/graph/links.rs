//! Nodes, edges and the lists in which they are.

use super::{Edge, EdgeId, GateId, Graph, Kept, Kind, Node, Role, Waiting};
use crate::class::RANKS;
use crate::inherit::Urgency;
use crate::tasks::NONE;

impl Graph {
    /// Adds an edge to its lists; what follows from it is the caller's business.
    pub(super) fn add_edge(&mut self, from: u32, to: u32, role: Role, kept: Kept) -> u32 {
        let nothing = (NONE, NONE);
        let edge = Edge {
            generation: 0,
            from,
            to,
            role,
            kept,
            rank: None,
            in_list: nothing,
            out_list: nothing,
        };
        let index = if let Some(index) = self.free_edges.pop() {
            let generation = self.edges[index as usize].generation;
            self.edges[index as usize] = Edge { generation, ..edge };
            index
        } else {
            self.edges.push(edge);
            u32::try_from(self.edges.len() - 1).expect("2^32 waits do not fit in memory")
        };
        let first = std::mem::replace(&mut self.nodes[from as usize].outgoing, index);
        self.edges[index as usize].out_list = (NONE, first);
        if first != NONE {
            self.edges[first as usize].out_list.0 = index;
        }
        self.nodes[to as usize].incoming += 1;
        self.link(index);
        index
    }

    /// Takes an edge out of its lists, and gives it as it was.
    pub(super) fn remove_edge(&mut self, index: u32) -> Edge {
        self.unlink(index);
        let edge = &mut self.edges[index as usize];
        edge.generation = edge.generation.wrapping_add(1);
        let edge = *edge;
        let (previous, next) = edge.out_list;
        if previous == NONE {
            self.nodes[edge.from as usize].outgoing = next;
        } else {
            self.edges[previous as usize].out_list.1 = next;
        }
        if next != NONE {
            self.edges[next as usize].out_list.0 = previous;
        }
        self.nodes[edge.to as usize].incoming -= 1;
        self.free_edges.push(index);
        edge
    }

    /// Puts the edges that lead away from a node into the lists of its present rank.
    pub(super) fn link_outgoing(&mut self, node: u32) {
        let mut edge = self.nodes[node as usize].outgoing;
        while edge != NONE {
            self.unlink(edge);
            self.link(edge);
            edge = self.edges[edge as usize].out_list.1;
        }
    }

    /// Puts an edge into the list of the rank of who waits, unless that has none just now.
    pub(super) fn link(&mut self, index: u32) {
        let Edge { from, to, .. } = self.edges[index as usize];
        let Some(Urgency { rank, .. }) = self.nodes[from as usize].urgency else { return };
        let node = &mut self.nodes[to as usize];
        node.waiter_ranks |= rank.bit();
        let first = std::mem::replace(&mut node.waiters[rank.index()], index);
        let edge = &mut self.edges[index as usize];
        edge.rank = Some(rank);
        edge.in_list = (NONE, first);
        if first != NONE {
            self.edges[first as usize].in_list.0 = index;
        }
    }

    /// Takes an edge out of its list, if it is in one. It still knows the rank.
    pub(super) fn unlink(&mut self, index: u32) {
        let Edge { to, rank, in_list: (previous, next), .. } = self.edges[index as usize];
        let Some(rank) = rank else { return };
        let node = &mut self.nodes[to as usize];
        if node.waiters[rank.index()] == index {
            node.waiters[rank.index()] = next;
            if next == NONE {
                node.waiter_ranks &= !rank.bit();
            }
        } else if previous != NONE {
            self.edges[previous as usize].in_list.1 = next;
        }
        if next != NONE {
            self.edges[next as usize].in_list.0 = previous;
        }
        self.edges[index as usize].in_list = (NONE, NONE);
    }

    /// The node of a task, made if need be.
    pub(super) fn task(&mut self, task: Waiting) -> u32 {
        if let Some(node) = self.node_of(task.slot) {
            return node;
        }
        let kind = Kind::Task { slot: task.slot, deadline: task.deadline };
        let node = self.add_node(kind, Some(task.urgency));
        let place = task.slot as usize;
        if self.by_slot.len() <= place {
            self.by_slot.resize(place + 1, NONE);
        }
        self.by_slot[place] = node;
        node
    }

    /// The node of the task in a slot.
    pub(super) fn node_of(&self, slot: u32) -> Option<u32> {
        self.by_slot.get(slot as usize).copied().filter(|&node| node != NONE)
    }

    pub(super) fn add_node(&mut self, kind: Kind, own: Option<Urgency>) -> u32 {
        let node = Node {
            generation: 0,
            kind,
            own,
            urgency: own,
            waiters: [NONE; RANKS],
            waiter_ranks: 0,
            incoming: 0,
            outgoing: NONE,
            special: NONE,
            is_reached: false,
        };
        if let Some(index) = self.free_nodes.pop() {
            let generation = self.nodes[index as usize].generation;
            self.nodes[index as usize] = Node { generation, ..node };
            return index;
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).expect("2^32 tasks and gates do not fit in memory")
    }

    /// Frees a node that nobody waits for and that waits for nobody.
    pub(super) fn free_if_idle(&mut self, index: u32) {
        let node = &mut self.nodes[index as usize];
        if node.kind == Kind::Free || node.incoming > 0 || node.outgoing != NONE {
            return;
        }
        node.generation = node.generation.wrapping_add(1);
        if let Kind::Task { slot, .. } = std::mem::replace(&mut node.kind, Kind::Free) {
            self.by_slot[slot as usize] = NONE;
        }
        self.free_nodes.push(index);
    }

    pub(super) fn gate(&self, GateId(index, generation): GateId) -> Option<u32> {
        (self.nodes[index as usize].generation == generation).then_some(index)
    }

    pub(super) fn gate_id(&self, index: u32) -> GateId {
        GateId(index, self.nodes[index as usize].generation)
    }

    pub(super) fn edge(&self, EdgeId(index, generation): EdgeId) -> Option<u32> {
        (self.edges[index as usize].generation == generation).then_some(index)
    }

    pub(super) fn edge_id(&self, index: u32) -> EdgeId {
        EdgeId(index, self.edges[index as usize].generation)
    }
}
