//! The graph against a list of edges, and what it leaves behind.

use super::*;
use crate::class::Class;

const TASKS: u32 = 9;
const GATES: usize = 4;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(bound)).unwrap()
    }
}

/// A class for each rank there is, with or without deadlines.
fn urgency(random: &mut Random, by_deadline: bool) -> Urgency {
    let ranks = [Class::RT, Class::NORMAL, Class::IDLE].map(Class::strict_rank);
    let class = random.below(3);
    let rank = ranks[class as usize];
    let deadline = by_deadline.then(|| u64::from(random.below(50)));
    Urgency { rank, class: u8::try_from(class).unwrap(), deadline }
}

/// A gate as a lock would keep it.
#[derive(Default)]
struct ModelGate {
    id: Option<GateId>,
    turn: u64,
    keeper: Option<u32>,
    waits: Vec<(u32, EdgeId)>,
    holders: Vec<u32>,
}

/// What is known without the graph.
struct Model {
    graph: Graph,
    own: Vec<Urgency>,
    /// What the changes have made of them.
    shown: Vec<Urgency>,
    /// (joined, waiter, poll)
    joins: Vec<(u32, u32, u64)>,
    gates: Vec<ModelGate>,
}

impl Model {
    fn new(random: &mut Random, by_deadline: bool) -> Self {
        let own: Vec<_> = (0..TASKS).map(|_| urgency(random, by_deadline)).collect();
        let gates = std::iter::repeat_with(ModelGate::default).take(GATES).collect();
        Self { graph: Graph::default(), shown: own.clone(), own, joins: Vec::new(), gates }
    }

    fn task(&self, slot: u32) -> Waiting {
        let urgency = self.own[slot as usize];
        Waiting { slot, urgency, deadline: urgency.deadline.unwrap_or(7) }
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            let ranks = [Class::RT, Class::NORMAL, Class::IDLE].map(Class::strict_rank);
            let place = change.slot as usize;
            let rank = ranks[usize::from(change.class)];
            let deadline = self.own[place].deadline.map(|_| change.deadline);
            self.shown[place] = Urgency { rank, class: change.class, deadline };
            assert_eq!(change.is_boosted, self.shown[place] != self.own[place]);
        }
    }

    /// One random operation.
    fn step(&mut self, random: &mut Random, by_deadline: bool) {
        let (task, other) = (random.below(TASKS), random.below(TASKS));
        let gate = random.below(u32::try_from(GATES).unwrap()) as usize;
        let mut changes = Vec::new();
        match random.below(10) {
            0 | 1 if task != other => {
                let poll = u64::from(random.below(2));
                let (from, to) = (self.task(task), self.task(other));
                self.graph.join(from, to, Kept::Polled(poll), &mut changes);
                self.joins.retain(|join| join.0 != other);
                self.joins.push((other, task, poll));
            }
            2 => {
                self.graph.unjoin(task, &mut changes);
                self.joins.retain(|join| join.0 != task);
            }
            3 | 4 => self.wait(task, gate, &mut changes),
            5 => {
                let gate = &mut self.gates[gate];
                if let Some((_, place)) = gate.waits.pop() {
                    self.graph.leave(place, &mut changes);
                    gate.id = gate.id.filter(|_| !gate.waits.is_empty());
                }
            }
            6 => {
                let keeper = (task > 0).then_some(task);
                let waiting = keeper.map(|keeper| self.task(keeper));
                let gate = &mut self.gates[gate];
                gate.keeper = keeper;
                gate.turn += 1;
                if let Some(id) = gate.id {
                    self.graph.set_keeper(id, gate.turn, waiting, &mut changes);
                    // One that comes late from another thread.
                    self.graph.set_keeper(id, gate.turn - 1, None, &mut changes);
                }
            }
            7 => {
                let waiting = self.task(task);
                let gate = &mut self.gates[gate];
                if !gate.holders.contains(&task) && gate.keeper != Some(task) {
                    gate.holders.push(task);
                    if let Some(id) = gate.id {
                        assert!(self.graph.add_holder(id, waiting, &mut changes).is_some());
                    }
                }
            }
            8 => {
                self.own[task as usize] = urgency(random, by_deadline);
                if self.graph.own(task).is_none() {
                    self.shown[task as usize] = self.own[task as usize];
                }
                self.graph.change(self.task(task), &mut changes);
            }
            _ if random.below(4) > 0 => {
                self.graph.end_poll(task, 1, &mut changes);
                self.joins.retain(|&(_, waiter, poll)| waiter != task || poll == 1);
            }
            _ => self.remove(task, &mut changes),
        }
        self.apply(changes);
    }

    fn wait(&mut self, task: u32, gate: usize, changes: &mut Vec<Change>) {
        let waiting = self.task(task);
        let known = self.gates[gate].waits.iter().find(|wait| wait.0 == task).map(|wait| wait.1);
        let id = self.gates[gate].id;
        let (id, place, is_new) = self.graph.wait(id, known, waiting, Kept::Lasting, changes);
        assert_eq!(is_new, self.gates[gate].waits.is_empty());
        assert!(known.is_none_or(|known| known == place), "it keeps its place");
        self.gates[gate].waits.retain(|wait| wait.0 != task);
        self.gates[gate].waits.push((task, place));
        self.gates[gate].id = Some(id);
        if is_new {
            let keeper = self.gates[gate].keeper.map(|keeper| self.task(keeper));
            self.graph.set_keeper(id, self.gates[gate].turn, keeper, changes);
            for holder in self.gates[gate].holders.clone() {
                let holder = self.task(holder);
                assert!(self.graph.add_holder(id, holder, changes).is_some());
            }
        }
    }

    /// A task ends; another one has its slot.
    fn remove(&mut self, task: u32, changes: &mut Vec<Change>) {
        self.graph.remove(task, changes);
        self.joins.retain(|join| join.0 != task && join.1 != task);
        for gate in &mut self.gates {
            gate.keeper = gate.keeper.filter(|keeper| *keeper != task);
            gate.holders.retain(|holder| *holder != task);
            gate.waits.retain(|wait| wait.0 != task);
            gate.id = gate.id.filter(|_| !gate.waits.is_empty());
        }
    }

    /// How urgent each task is: by itself, and by all from which a way leads to it.
    fn expected(&self) -> Vec<Urgency> {
        let mut edges: Vec<(u32, u32)> = self.joins.iter().map(|join| (join.1, join.0)).collect();
        for gate in &self.gates {
            for (waiter, _) in &gate.waits {
                edges.extend(gate.keeper.iter().chain(&gate.holders).map(|to| (*waiter, *to)));
            }
        }
        let mut all = self.own.clone();
        for _ in 0..TASKS {
            for &(from, to) in &edges {
                let (from, to) = (all[from as usize], &mut all[to as usize]);
                if from.outranks(*to) {
                    *to = from;
                }
            }
        }
        all
    }
}

/// With deadlines each rank has one class, so that there is one right answer.
#[test]
fn random_waits_make_tasks_as_urgent_as_those_who_wait_for_them() {
    for by_deadline in [false, true] {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..300 {
            let mut model = Model::new(&mut random, by_deadline);
            for step in 0..100 {
                model.step(&mut random, by_deadline);
                assert_eq!(model.shown, model.expected(), "after step {step}, {:#?}", model.graph);
            }
            let mut changes = Vec::new();
            (0..TASKS).for_each(|task| model.remove(task, &mut changes));
            assert_eq!(model.graph.len(), (0, 0), "nothing is left");
        }
    }
}

#[test]
fn a_circle_does_not_hold_itself_up() {
    let mut random = Random(1);
    let mut model = Model::new(&mut random, false);
    let ranks = [Class::RT, Class::IDLE, Class::IDLE].map(Class::strict_rank);
    for (slot, rank) in ranks.into_iter().enumerate() {
        model.own[slot] = Urgency { rank, class: [0, 2, 2][slot], deadline: None };
    }
    model.shown = model.own.clone();
    let mut changes = Vec::new();
    let [urgent, a, b] = [0, 1, 2].map(|slot| model.task(slot));
    model.graph.join(a, b, Kept::Lasting, &mut changes);
    let (gate, _, _) = model.graph.wait(None, None, b, Kept::Lasting, &mut changes);
    model.graph.set_keeper(gate, 1, Some(a), &mut changes);
    assert_eq!(changes, [], "nobody urgent waits");
    let (_, place, _) = model.graph.wait(Some(gate), None, urgent, Kept::Lasting, &mut changes);
    model.apply(std::mem::take(&mut changes));
    assert!(model.shown[..3].iter().all(|shown| shown.class == 0), "{:?}", model.shown);
    model.graph.leave(place, &mut changes);
    model.apply(changes);
    assert_eq!(model.shown, model.own);
}
