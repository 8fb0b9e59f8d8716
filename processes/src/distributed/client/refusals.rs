//! Since when nodes refuse a call, and which have.
//!
//! A call that nodes refuse for too long is not served. That is not so while there is a node with workers that
//! has not refused it: it may be busy, and serve the call later. Nor does a refusal count that came before
//! the call was begun: who has begun it serves it, and others like that may, should it be lost. But a node that
//! begins a call and finds that it cannot execute it, gives it back, says why, and may begin it again soon: its
//! refusals count together.

use std::time::{Duration, Instant};

/// So many nodes are enough that have refused a call: to be offered to all of many takes long.
const ENOUGH: usize = 16;

/// Since when nodes refuse a call, and which have.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Since when they do, since it was begun, lost or sent last.
    since: Option<Instant>,
    /// Since when they did before it was begun last.
    before: Option<Instant>,
    /// The node that has not begun it last, although it was to.
    given_back_by: Option<String>,
    /// The nodes that have refused it since it was lost or sent last, the first ones.
    nodes: Vec<String>,
}

impl Refusals {
    /// A node refuses it. Whether others have, too, for as long as `patience`, and no node of `there`, which
    /// are those with workers, has not.
    pub(super) fn add<'a>(
        &mut self,
        node: &str,
        patience: Duration,
        mut there: impl Iterator<Item = &'a str>,
    ) -> bool {
        let is_same = self.given_back_by.take().is_some_and(|known| known == node);
        let earlier = self.since.or(self.before.filter(|_before| is_same));
        let since = *self.since.insert(earlier.unwrap_or_else(Instant::now));
        if self.nodes.len() < ENOUGH && !self.has(node) {
            self.nodes.push(node.to_owned());
        }
        since.elapsed() >= patience
            && (self.nodes.len() >= ENOUGH || there.all(|node| self.has(node)))
    }

    /// Whether a node has refused it.
    fn has(&self, node: &str) -> bool {
        self.nodes.iter().any(|known| known == node)
    }

    /// A node begins it.
    pub(super) fn begins(&mut self) {
        (self.before, self.given_back_by) = (self.since.take(), None);
    }

    /// This node has not begun it, although it was to.
    pub(super) fn given_back(&mut self, node: &str) {
        self.given_back_by = Some(node.to_owned());
    }

    /// Lets it be so much later.
    #[cfg(test)]
    pub(super) fn pass(&mut self, time: Duration) {
        let earlier = |at: Instant| at.checked_sub(time).unwrap();
        self.since = self.since.map(earlier);
        self.before = self.before.map(earlier);
    }

    /// It was lost, or is sent again.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long nodes may refuse a call.
    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_call_is_refused_when_all_nodes_that_are_there_have_refused_it_for_a_while() {
        let mut refusals = Refusals::default();
        let mut is_over = |node: &str, there: &[&str]| {
            let over = refusals.add(node, PATIENCE, there.iter().copied());
            refusals.pass(PATIENCE);
            over
        };
        assert!(!is_over("a", &["a"]), "others may come");
        assert!(!is_over("a", &["a", "b"]), "that one may be busy");
        assert!(is_over("b", &["a", "b"]) && is_over("a", &["a", "b"]));
        assert!(!is_over("a", &["c", "a"]), "it has come now");
        assert!(is_over("a", &[]), "it has left");
        for n in 0..ENOUGH {
            is_over(&n.to_string(), &["busy"]);
        }
        assert!(is_over("a", &["busy"]), "it may take long until all have");
        assert_eq!(refusals.nodes.len(), ENOUGH);
    }

    #[test]
    fn what_was_refused_before_it_was_begun_is_not_refused_since_then() {
        let mut refusals = Refusals::default();
        let is_over = |refusals: &mut Refusals, node: &str| {
            let over = refusals.add(node, PATIENCE, std::iter::empty());
            refusals.pass(PATIENCE);
            over
        };
        assert!(!is_over(&mut refusals, "a"));
        refusals.begins();
        assert!(!is_over(&mut refusals, "a"), "a node has had it meanwhile");
        refusals.begins();
        refusals.given_back("b");
        assert!(!is_over(&mut refusals, "a"), "that one would serve it");
        refusals.begins();
        refusals.given_back("a");
        assert!(is_over(&mut refusals, "a"), "it has begun it to no purpose");
        refusals.begins();
        refusals.begins();
        refusals.given_back("a");
        assert!(!is_over(&mut refusals, "a"), "another one has had it in between");
        refusals.forget();
        assert!(!is_over(&mut refusals, "a"));
    }
}
