//! The nodes that a client has heard of, and what each has done for it.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use futures_lite::StreamExt;

use super::super::wire::{Here, LONGEST_NAME, unpack};
use super::State;
use super::doubt::DOUBTED_EVERY;
use super::run::Desk;
use super::settle::Counters;

/// After this time without a word a node is not counted any more.
const SILENT: Duration = Duration::from_secs(10);

/// The most nodes that are remembered; of more, those are forgotten that have been silent for longest.
const MAX_NODES: usize = 4096;

/// A node has no more workers than this, whatever it says; a map keeps four times as many items under way.
const MOST_SLOTS: u32 = 4096;

/// What a node of a cluster has done for a pool; see [`Pool::nodes`](crate::Pool::nodes).
///
/// Calls are counted when their results have come: of a map, each item is one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// Its name: host, `/`, process id, `/`, eight digits at random, by which nodes are told apart whose hosts
    /// and processes have the same names, as in containers.
    pub name: String,
    /// How many workers take calls; none when it drains or has left, cannot start any, or has said nothing for
    /// 10 s.
    pub slots: usize,
    /// Calls that it has begun and that have not ended, those included that wait there for a worker.
    pub running: u64,
    /// Calls that returned a value.
    pub done: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Calls that failed in another way: worker lost, timed out, codec.
    pub failed: u64,
    /// Calls that ended there because they were cancelled.
    pub cancelled: u64,
    /// Times that a call was given to another node because this one was heard of no more.
    pub lost: u64,
    /// How long its workers were busy with the calls that have ended, added up. When there were more
    /// calls than workers, each call counts with its share of them.
    pub busy: Duration,
    /// How long ago it has said something.
    pub silent: Duration,
}

/// A node, as a client knows it.
#[derive(Debug)]
struct Node {
    /// How many workers it had for more calls when it said so last; 0 before that.
    slots: u32,
    /// When it has said something.
    heard: Instant,
    /// What became of calls there.
    counters: Counters,
    /// The time that workers had for those.
    busy: Duration,
}

impl Node {
    /// How many workers it has, as far as anybody knows.
    fn workers(&self) -> usize {
        if self.heard.elapsed() < SILENT { usize::try_from(self.slots).unwrap_or(0) } else { 0 }
    }
}

/// All nodes that a client has heard of.
#[derive(Debug, Default)]
pub(super) struct Nodes(HashMap<String, Node>);

impl Nodes {
    /// A node has said something.
    fn hear(&mut self, name: &str) -> &mut Node {
        if !self.0.contains_key(name) {
            if self.0.len() >= MAX_NODES
                && let Some(oldest) = self.0.iter().min_by_key(|(_name, node)| node.heard)
            {
                let oldest = oldest.0.clone();
                self.0.remove(&oldest);
            }
            let (counters, heard) = (Counters::default(), Instant::now());
            let node = Node { slots: 0, heard, counters, busy: Duration::ZERO };
            self.0.insert(name.to_owned(), node);
        }
        let node = self.0.get_mut(name).expect("it is there, or was inserted");
        node.heard = Instant::now();
        node
    }

    /// A node has said how many workers it has.
    pub(super) fn here(&mut self, name: &str, slots: u32) {
        self.hear(name).slots = slots.min(MOST_SLOTS);
    }

    /// A node begins a call. It may be the first thing that this client hears of it.
    pub(super) fn begins(&mut self, name: &str) {
        self.hear(name);
    }

    /// Calls have ended on a node, for which its workers have taken so long.
    pub(super) fn ended(&mut self, name: &str, calls: Counters, busy: Duration) {
        let node = self.hear(name);
        node.counters += calls;
        node.busy = node.busy.saturating_add(busy);
    }

    /// A node was lost with a call. It has not spoken.
    pub(super) fn lost(&mut self, name: &str) {
        if let Some(node) = self.0.get_mut(name) {
            node.counters.lost += 1;
        }
    }

    /// Whether a node has spoken within this time, or could not be heard. One that takes no more calls goes on
    /// with those that it has, and says which of them it gives back.
    fn is_there(&self, name: &str, limit: Duration, is_deaf: bool) -> bool {
        self.0.get(name).is_some_and(|node| is_deaf || node.heard.elapsed() < limit)
    }

    /// Those that have workers, as far as anybody knows.
    pub(super) fn with_workers(&self) -> impl Iterator<Item = &str> {
        let all = self.0.iter().filter(|(_name, node)| node.workers() > 0);
        all.map(|(name, _node)| name.as_str())
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.0.values().map(Node::workers).sum()
    }
}

impl State {
    /// Whether a call that is offered to this node was begun by another one, which has not been silent
    /// for a lease: brokers offer calls too early when they have been away themselves, because they
    /// have not heard that those go on, and offer those again that they had lost. The node may have given
    /// the call up; that is asked, see [`Remote::doubted`](super::Remote::doubted).
    pub(super) fn is_elsewhere(&mut self, number: u64, node: &str, lease: Duration) -> bool {
        let elsewhere = self.is_held(number, lease);
        let Some(flight) = self.flights.get_mut(&number) else { return false };
        let elsewhere = elsewhere && flight.holder() != Some(node);
        flight.waits = flight.waits.wrapping_add(u32::from(elsewhere));
        flight.in_doubt = elsewhere && flight.waits % DOUBTED_EVERY == 1;
        elsewhere
    }

    /// Whether a node has begun this call, has not said that it does not have it, and has not been silent
    /// for a lease.
    pub(super) fn is_held(&self, number: u64, lease: Duration) -> bool {
        let node = self.flights.get(&number).and_then(|flight| flight.holder());
        node.is_some_and(|node| self.nodes.is_there(node, lease, self.is_deaf(lease)))
    }

    /// Whether nodes could not be heard during all of this time: there is no broker, or not for so long.
    fn is_deaf(&self, lease: Duration) -> bool {
        self.offline_since.is_some() || self.connected.is_some_and(|at| at.elapsed() < lease)
    }

    /// What each node has done, by name.
    pub(super) fn node_stats(&self) -> Vec<NodeStats> {
        let mut running: HashMap<&str, u64> = HashMap::new();
        for flight in self.flights.values() {
            if let Some(node) = flight.holder() {
                *running.entry(node).or_default() += u64::from(flight.call.items());
            }
        }
        let stats = self.nodes.0.iter().map(|(name, node)| NodeStats {
            name: name.clone(),
            slots: node.workers(),
            running: running.get(name.as_str()).copied().unwrap_or(0),
            done: node.counters.done,
            panicked: node.counters.panicked,
            failed: node.counters.failed,
            cancelled: node.counters.cancelled,
            lost: node.counters.lost,
            busy: node.busy,
            silent: node.heard.elapsed(),
        });
        let mut stats: Vec<_> = stats.collect();
        stats.sort_by(|a, b| a.name.cmp(&b.name));
        stats
    }
}

/// Notes which nodes are there.
pub(super) async fn meet_nodes(desk: Rc<Desk>, mut here: Subscriber) {
    while let Some(message) = here.next().await {
        let Ok((Here { node, slots }, _body)) = unpack::<Here>(&message.payload) else { continue };
        if node.len() > LONGEST_NAME {
            continue;
        }
        desk.remote.lock().nodes.here(&node, slots);
        desk.remote.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_silent_has_no_workers_and_keeps_its_counts() {
        let mut state = State::default();
        state.nodes.here("a", 2);
        state.nodes.here("b", 3);
        let two = Counters { done: 2, ..Counters::default() };
        state.nodes.ended("a", two, Duration::from_secs(1));
        state.nodes.ended("a", two, Duration::from_secs(1));
        assert_eq!(state.nodes.workers(), 5);
        state.nodes.0.get_mut("a").unwrap().heard = Instant::now().checked_sub(SILENT).unwrap();
        state.nodes.lost("a");
        state.nodes.lost("nobody");
        assert_eq!(state.nodes.workers(), 3);
        let [a, b] = &state.node_stats()[..] else { panic!("two nodes") };
        assert_eq!((a.name.as_str(), a.slots, a.done, a.lost), ("a", 0, 4, 1));
        assert_eq!((a.busy, b.busy, b.slots), (Duration::from_secs(2), Duration::ZERO, 3));
        assert!(a.silent >= SILENT);
        let lease = SILENT / 2;
        assert!(
            state.nodes.is_there("b", lease, false) && !state.nodes.is_there("a", lease, false)
        );
        assert!(state.nodes.is_there("a", lease, true) && !state.nodes.is_there("c", lease, true));
        state.nodes.here("b", 0);
        assert_eq!(state.nodes.workers(), 0, "it takes no more");
        assert!(state.nodes.is_there("b", lease, false), "it goes on with what it has");
    }

    #[test]
    fn only_so_many_nodes_are_remembered() {
        let mut nodes = Nodes::default();
        for n in 0..MAX_NODES + 10 {
            nodes.here(&n.to_string(), 1);
        }
        assert_eq!(nodes.0.len(), MAX_NODES);
        assert!(!nodes.0.contains_key("0") && nodes.0.contains_key(&(MAX_NODES + 9).to_string()));
    }
}
