//! Who waits for whom; see the module above.

mod links;
mod spread;

use super::Urgency;
use crate::class::{RANKS, Rank};
use crate::tasks::NONE;

/// All waits that matter in a reactor.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    /// Free places of `nodes`.
    free_nodes: Vec<u32>,
    edges: Vec<Edge>,
    /// Free places of `edges`.
    free_edges: Vec<u32>,
    /// The node of the task in each slot, or [`NONE`]. As long as was needed.
    by_slot: Vec<u32>,
}

/// A task or a gate that takes part in a wait.
#[derive(Debug)]
struct Node {
    /// How often the place was freed.
    generation: u32,
    kind: Kind,
    /// How urgent it is by itself. None for a gate.
    own: Option<Urgency>,
    /// How urgent it is with those who wait for it. None for a gate only while this is found out: a
    /// gate at which nobody waits does not exist.
    urgency: Option<Urgency>,
    /// For each rank, the first edge from somebody of that rank; the newest is first.
    waiters: [u32; RANKS],
    /// Bit `r` is set when rank `r` has some.
    waiter_ranks: u8,
    /// How many edges lead here.
    incoming: u32,
    /// The first edge that leads away.
    outgoing: u32,
    /// A task: the edge from who joins it. A gate: the edge to its keeper. Or [`NONE`].
    special: u32,
    /// Seen by the present walk.
    is_reached: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing: the place is free.
    Free,
    /// The task in a slot, with its own deadline, whether or not its class goes by deadlines.
    Task { slot: u32, deadline: u64 },
    /// A gate, with the number of the last change of its keeper.
    Gate { turn: u64 },
}

/// Somebody waits for somebody.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// How often the place was freed.
    generation: u32,
    /// Who waits.
    from: u32,
    /// Who is waited for.
    to: u32,
    role: Role,
    kept: Kept,
    /// In which list of `to` it is.
    rank: Option<Rank>,
    /// The neighbours in that list.
    in_list: (u32, u32),
    /// The neighbours in the list of what `from` waits for.
    out_list: (u32, u32),
}

/// What an edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// From a task to the one that it joins.
    Join,
    /// From a task to a gate.
    Wait,
    /// From a gate to the keeper that is replaced by the next.
    Keeper,
    /// From a gate to one of several keepers.
    Holder,
}

/// How it is known that a wait goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It does until somebody says otherwise.
    Lasting,
    /// It does if each poll of the task comes by; the number of the last that did.
    Polled(u64),
}

/// Refers to a gate. Void when nobody waits at it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateId(u32, u32);

/// Refers to a wait. Void when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EdgeId(u32, u32);

/// A task as its slot shows it; what counts for one that has no node yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Its slot.
    pub(crate) slot: u32,
    /// Its urgency.
    pub(crate) urgency: Urgency,
    /// Its own deadline.
    pub(crate) deadline: u64,
}

/// How a task is to be queued from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its slot.
    pub(crate) slot: u32,
    /// The class of which it has to run.
    pub(crate) class: u8,
    /// The deadline by which it is queued.
    pub(crate) deadline: u64,
    /// It goes before where it would be by itself.
    pub(crate) is_boosted: bool,
}

impl Graph {
    /// The class and the deadline of a task by itself, if it takes part.
    pub(crate) fn own(&self, slot: u32) -> Option<(u8, u64)> {
        let node = &self.nodes[self.node_of(slot)? as usize];
        match (node.kind, node.own) {
            (Kind::Task { deadline, .. }, Some(own)) => Some((own.class, deadline)),
            _ => None,
        }
    }

    /// How many nodes and edges there are.
    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        (self.nodes.len() - self.free_nodes.len(), self.edges.len() - self.free_edges.len())
    }

    /// Task `waiter` joins task `joined`, which has one joiner at most.
    pub(crate) fn join(
        &mut self,
        waiter: Waiting,
        joined: Waiting,
        kept: Kept,
        changes: &mut Vec<Change>,
    ) {
        let (from, to) = (self.task(waiter), self.task(joined));
        let known = self.nodes[to as usize].special;
        if known != NONE && self.edges[known as usize].from == from {
            self.edges[known as usize].kept = kept;
            return;
        }
        // The new one first: a node without edges goes.
        let edge = self.connect(from, to, Role::Join, kept, changes);
        if known != NONE {
            self.disconnect(known, changes);
        }
        self.nodes[to as usize].special = edge;
    }

    /// Nobody joins this task any more.
    pub(crate) fn unjoin(&mut self, slot: u32, changes: &mut Vec<Change>) {
        if let Some(node) = self.node_of(slot) {
            let known = self.nodes[node as usize].special;
            if known != NONE {
                self.disconnect(known, changes);
            }
        }
    }

    /// A task waits at a gate, a new one if `gate` is none or void; `place` is where it has waited
    /// before. The flag says that the gate is new.
    pub(crate) fn wait(
        &mut self,
        gate: Option<GateId>,
        place: Option<EdgeId>,
        waiter: Waiting,
        kept: Kept,
        changes: &mut Vec<Change>,
    ) -> (GateId, EdgeId, bool) {
        let known = gate.and_then(|gate| self.gate(gate));
        let place = place.and_then(|place| self.edge(place));
        if let (Some(gate), Some(place)) = (known, place) {
            let edge = &mut self.edges[place as usize];
            let same_task = self.by_slot.get(waiter.slot as usize) == Some(&edge.from);
            if edge.to == gate && same_task {
                edge.kept = kept;
                return (self.gate_id(gate), self.edge_id(place), false);
            }
        }
        let gate = known.unwrap_or_else(|| self.add_node(Kind::Gate { turn: 0 }, None));
        let from = self.task(waiter);
        let edge = self.connect(from, gate, Role::Wait, kept, changes);
        if let Some(place) = place {
            self.disconnect(place, changes);
        }
        (self.gate_id(gate), self.edge_id(edge), known.is_none())
    }

    /// A wait has ended.
    pub(crate) fn leave(&mut self, place: EdgeId, changes: &mut Vec<Change>) {
        if let Some(edge) = self.edge(place) {
            self.disconnect(edge, changes);
        }
    }

    /// From here on this task, or none that is known, can open a gate. `turn` numbers such changes,
    /// which may come late from other threads.
    pub(crate) fn set_keeper(
        &mut self,
        gate: GateId,
        turn: u64,
        keeper: Option<Waiting>,
        changes: &mut Vec<Change>,
    ) {
        let Some(gate) = self.gate(gate) else { return };
        let node = &mut self.nodes[gate as usize];
        if let Kind::Gate { turn: last } = &mut node.kind {
            if *last > turn {
                return;
            }
            *last = turn;
        }
        let old = node.special;
        let to = keeper.map(|keeper| self.task(keeper));
        if old != NONE && to == Some(self.edges[old as usize].to) {
            return;
        }
        let new = to.map(|to| self.connect(gate, to, Role::Keeper, Kept::Lasting, changes));
        if old != NONE {
            self.disconnect(old, changes);
        }
        self.nodes[gate as usize].special = new.unwrap_or(NONE);
    }

    /// One more task can open a gate.
    pub(crate) fn add_holder(
        &mut self,
        gate: GateId,
        holder: Waiting,
        changes: &mut Vec<Change>,
    ) -> Option<EdgeId> {
        let gate = self.gate(gate)?;
        let to = self.task(holder);
        let edge = self.connect(gate, to, Role::Holder, Kept::Lasting, changes);
        Some(self.edge_id(edge))
    }

    /// A poll of this task has ended, and it waits: what the poll did not come by is over.
    pub(crate) fn end_poll(&mut self, slot: u32, poll: u64, changes: &mut Vec<Change>) {
        let Some(node) = self.node_of(slot) else { return };
        let mut edge = self.nodes[node as usize].outgoing;
        while edge != NONE {
            let this = &self.edges[edge as usize];
            let next = this.out_list.1;
            if matches!(this.kept, Kept::Polled(last) if last != poll) {
                self.disconnect(edge, changes);
            }
            edge = next;
        }
    }

    /// A task has ended: nobody waits for it, nor it for anybody.
    pub(crate) fn remove(&mut self, slot: u32, changes: &mut Vec<Change>) {
        while let Some(node) = self.node_of(slot) {
            let node = &self.nodes[node as usize];
            let edge = if node.outgoing == NONE {
                node.waiters[node.waiter_ranks.trailing_zeros() as usize]
            } else {
                node.outgoing
            };
            self.disconnect(edge, changes);
        }
    }

    /// A task has another urgency by itself.
    pub(crate) fn change(&mut self, task: Waiting, changes: &mut Vec<Change>) {
        let Some(index) = self.node_of(task.slot) else { return };
        let node = &mut self.nodes[index as usize];
        node.own = Some(task.urgency);
        node.kind = Kind::Task { slot: task.slot, deadline: task.deadline };
        self.settle(index, changes);
        // Whatever came of it, its own deadline may be another one.
        changes.extend(self.change_of(index));
    }

    /// Adds an edge.
    fn connect(
        &mut self,
        from: u32,
        to: u32,
        role: Role,
        kept: Kept,
        changes: &mut Vec<Change>,
    ) -> u32 {
        let index = self.add_edge(from, to, role, kept);
        let mut before = Vec::new();
        self.raise(vec![to], &mut before);
        self.report(before, changes);
        index
    }

    /// Removes an edge, and nodes that are not needed any more.
    fn disconnect(&mut self, index: u32, changes: &mut Vec<Change>) {
        let Edge { from, to, role, rank, .. } = self.remove_edge(index);
        let special = match role {
            Role::Join => to,
            Role::Keeper => from,
            Role::Wait | Role::Holder => NONE,
        };
        if special != NONE && self.nodes[special as usize].special == index {
            self.nodes[special as usize].special = NONE;
        }
        let node = &self.nodes[to as usize];
        // Only who was as urgent as it made `to` can have been the reason.
        let mattered = node.urgency != node.own && node.urgency.map(|urgency| urgency.rank) == rank;
        if node.incoming == 0 && node.own.is_none() {
            while self.nodes[to as usize].outgoing != NONE {
                self.disconnect(self.nodes[to as usize].outgoing, changes);
            }
        } else if mattered {
            self.settle(to, changes);
        }
        self.free_if_idle(to);
        self.free_if_idle(from);
    }
}

#[cfg(test)]
mod tests;
