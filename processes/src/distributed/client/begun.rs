//! Which nodes have begun a call, as its client counts.

/// Which nodes have begun a call.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// How many have.
    times: u32,
    /// The last one of these.
    node: String,
    /// The attempt of that one, in its words; none: it has said that it was not begun.
    attempt: Option<u64>,
    /// The node before that one.
    before: String,
    /// True when the last node does not have the call any more, by its own words.
    released: bool,
    /// Of how many of these it is counted that they were lost.
    lost: u32,
}

impl Begun {
    /// How often it was begun.
    pub(super) fn times(&self) -> u32 {
        self.times
    }

    /// The last node; empty if there is none.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The last node, unless it has said that it does not have the call any more.
    pub(super) fn holder(&self) -> Option<&str> {
        (self.times > 0 && !self.released).then_some(&*self.node)
    }

    /// Whether the last node has begun it with this attempt.
    pub(super) fn is_known(&self, node: &str, attempt: u64) -> bool {
        self.times > 0 && self.node == node && self.attempt == Some(attempt)
    }

    /// A node begins it with this attempt.
    pub(super) fn add(&mut self, node: &str, attempt: u64) {
        self.times += 1;
        (self.attempt, self.released) = (Some(attempt), false);
        self.before = std::mem::replace(&mut self.node, node.to_owned());
    }

    /// A node has not begun it with this attempt. True if it was counted before.
    pub(super) fn take_back(&mut self, node: &str, attempt: u64) -> bool {
        if !self.is_known(node, attempt) {
            return false;
        }
        self.times -= 1;
        self.lost = self.lost.min(self.times);
        // The one before was lost before this one could begin.
        (self.attempt, self.released) = (None, true);
        self.node = std::mem::take(&mut self.before);
        true
    }

    /// The last node does not have the call any more.
    pub(super) fn release(&mut self) {
        self.released = true;
    }

    /// The last node is lost with the call. True if that was not counted before.
    pub(super) fn note_loss(&mut self) -> bool {
        std::mem::replace(&mut self.lost, self.times) < self.times
    }
}
