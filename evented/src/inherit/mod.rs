//! Priority inheritance: who holds up whom, and how urgent that makes each task.
//!
//! A task that an urgent one waits for has to run as if it were urgent itself; otherwise tasks in
//! between, of which nobody urgent waits for any, keep it from running, and the urgent one with it
//! (L. Sha, R. Rajkumar, J. Lehoczky, "Priority Inheritance Protocols", IEEE Transactions on Computers,
//! 1990; what happened to the Mars Pathfinder in 1997).
//!
//! The [`Graph`] knows the waits of one reactor. A node is a task, or a *gate*: a lock, room in a
//! channel, a value to come. An edge leads from who waits to what it waits for: from a task to one that
//! it joins, from a task to a gate, and from a gate to its *keepers*, the tasks that can open it. A task
//! runs with the best *urgency* of all from which a way leads to it, its own included. That is exact
//! whenever it is asked for, in circles too, and nothing is left of a wait that has ended.
//!
//! # When a wait ends
//!
//! A wait with a place in a line (a lock, a permit, room in a channel) ends when its future is ready or
//! dropped. Of others nobody tells: the `Task` of a join stays when a `timeout` around a reference to it
//! is over. They count for as long as each poll of the waiting task comes by; a poll that does not ends
//! them. This is what `join!`, `select!` and `timeout` do, which poll with the task's own waker. What
//! waits with a waker of another kind (`FuturesUnordered`) is polled only when that was woken, so such a
//! wait counts until the handle is dropped. And a task waits for those of its `TaskGroup` from the first
//! `next` on until the group is empty or dropped, whatever it does in between: in the end it has to.
//!
//! # What it costs
//!
//! Nothing is noted before two ranks, or a class with deadlines, have had a task: then all tasks are of
//! equal urgency.
//!
//! A task whose urgency changes while it waits is polled once. Its leaf futures then wait for their
//! descriptors and timers with the new rank, and those that have begun to wait when nothing was noted say
//! so now.
//!
//! Nothing in this module runs user code.

mod gate;
mod graph;
mod together;

pub(crate) use gate::{Gate, Place};
pub(crate) use graph::{Change, EdgeId, GateId, Graph, Kept, Waiting};
pub(crate) use together::Together;

use crate::class::Rank;

/// How urgent a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Urgency {
    /// The rank of the class.
    pub(crate) rank: Rank,
    /// The id of the class.
    pub(crate) class: u8,
    /// The deadline, if the class goes by deadlines.
    pub(crate) deadline: Option<u64>,
}

impl Urgency {
    /// Whether a task of the urgency `own` is to run with this one, if such a task waits for it.
    fn outranks(self, own: Self) -> bool {
        let is_earlier = self.class == own.class
            && self.deadline.zip(own.deadline).is_some_and(|(this, own)| this < own);
        self.rank < own.rank || is_earlier
    }
}
