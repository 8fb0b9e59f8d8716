//! Pools whose calls are executed on other machines, over NATS JetStream (feature `distributed`).
//!
//! # The way of a call
//!
//! ```text
//! client                           broker                        node
//!   | call, with its name ---------> stream of calls ------------> pulled when there is room
//!   | <------------------------------- Begin? -------------------- |
//!   | (counts)                                                     |
//!   | -------------------------------- Go -----------------------> | executes it
//!   | (holds the call)                                             | progress, 3 times in a lease
//!   | <------------------------------- Done, with the result ----- | (holds the result)
//!   | -------------------------------- Confirm ------------------> |
//!   |                                stream of calls <------------ | acknowledged: gone
//! ```
//!
//! The stream is a work queue on the broker's disk; everything else is plain messages, which may be
//! lost. So each side holds on to what it has until the other side has what follows from it: the
//! *client* holds a call until its result has come, the *stream* until it is acknowledged, the *node*
//! holds a result until it is confirmed, and acknowledges only then.
//!
//! # What can be lost, and what happens then
//!
//! | lost | noticed by | then |
//! |---|---|---|
//! | a node | the broker: no progress for a lease | delivered to another node, which asks the client; while the first one speaks, that says to wait |
//! | a result on the way, a confirmation | the node: not confirmed for 3 s | sent again |
//! | a call in the broker, or the broker's memory | the client: it looks for its calls in the stream after each connect, and every 30 s | sent again, with a new message id; if a node has it that speaks, only once that has said that it has not |
//! | an argument in the store, or it has half of the age that the store allows | the client, when it looks for its calls | put there again |
//! | room in the store, for a minute | who stores: the broker says so each time | the call ends: of an argument, unless a node has it; of a result, which is not made again |
//! | a result in the store | the client: it was not there three times | the call is begun again, or, when it may not be, lost |
//! | a panic in the thread of a client | that thread: all of its tasks are watched | all calls are lost, the pool has ended |
//! | the workers of a node: none can be started | the node: its pool is broken | its calls are given back, as not begun, and it fetches none until a call of its own has come through |
//! | a part of an object, while it is fetched | who fetches it: none for 10 s | the call is offered again, or the result announced again |
//! | the answer to a publish | the client | published again with the same id, which the broker drops if it has it |
//! | the stream itself | client and node: an error | made again |
//! | the answer of a client | the node: none within 2 s | asked again; then its calls are given back, and not looked at for 10 s; the client is told that they were not begun |
//! | a result that a node has given up, because its client was away | the client: another node is offered the call, or the broker does not have it; it asks the node | the call is begun again, or, when it may not be, lost |
//! | a task of a node, by a panic | the node | it ends with an error, and gives its calls back |
//! | a client | the node: nobody listens for 30 s, or the client has said that it ends | its results are dropped, but not before 30 s from their end on; its calls are not begun; when it comes back, it sends those again. After 10 min, or at once when it has said that it ends, what runs is killed |
//! | that a call is to be killed, or its items are not wanted | the node: it asks about what workers have had for 6 s | killed, or no more of it is begun |
//! | what a node has dropped of a client that comes back | the client: the broker has not the call, and the node has it not, which it is asked | begun again, or, when it may not be, lost |
//!
//! The client is the authority: it alone knows whether a call has ended, and how often it was begun. So a
//! node asks before it begins a call, and does what the client says (`wire::Verdict`). Were it only told
//! of it, a call that kills its node at once would not be counted, and could end all nodes; and one that
//! must not be begun twice could be. A node that gets a call that was delivered before asks what is to
//! become of it, also when it does not know the function. What a client has counted because a node has asked,
//! and the node has not begun because the answer came too late, is not counted any more when the node says so.
//! A node that executes a call for longer asks whether it is still wanted.
//! A second result for a call finds no call, and is confirmed without effect. So each call resolves
//! once, also when it was executed twice.
//!
//! What a node says to a client at about the same time is one message (`wire::Letter`), and so is what that
//! answers: of short calls, dozens share the questions, the results and the confirmations, and the
//! broker handles between four and five messages for each, in and out. Each question has a ticket, and
//! each call of a letter is counted as if it came alone.
//!
//! Clients and nodes of different versions do not read each other's messages, but the form in which a call
//! is refused (`refusal`): it waits for a node of its version, and ends with the reason when none comes.
//!
//! # Bounds
//!
//! A client has at most 1,024 calls or frames, and 64 MiB of them, under way; what else was submitted
//! waits in its own memory. A node holds about as many calls as its workers begin within 10 ms, at
//! least one and at most 64 for each worker, and no more than twice as many as have ended lately; what it cannot
//! begin soon nevertheless goes back, without an attempt (`node::stage`). It fetches no more while it has 256 results that were not
//! confirmed, or 32 MiB of them, for each worker; what it had asked for until then still comes, and results
//! count until they are in the store. The stream
//! refuses more than a million calls or 1 GiB ([`Cluster::reserve`]), whereupon clients try again. The stream
//! of poison calls forgets the oldest above 10,000 or a quarter of that. Brokers set both aside. Objects in the store are removed by whoever ends the call;
//! those of clients and nodes that were killed go after a day. What a client waits for is put there again
//! before that. Of an object that could not be stored whole, nothing stays: its parts are removed at once, or, if
//! the broker does not answer, with the next object. When the broker has had no room for one for a minute, the
//! call ends with [`JoinError::Encode`](crate::JoinError::Encode); what else is wrong with the store is waited for.
//!
//! # Trust
//!
//! Nodes run registered functions only, decode within bounds in their workers, and check frames and
//! reports before they use them. But whoever may publish to the broker may call every registered
//! function, and clients believe what nodes say.

mod address;
mod broker;
mod client;
mod cluster;
mod dial;
#[cfg(test)]
pub(crate) mod fuzz;
pub(crate) mod node;
mod refusal;
mod runtime;
mod shape;
mod store;
mod task;
mod wire;

use std::io;

pub use client::NodeStats;
pub use cluster::Cluster;
#[doc(hidden)]
pub use linkme;
#[doc(hidden)]
pub use task::{Resolution, TASKS, Task};

use crate::pool::Pool;

impl Pool {
    /// A pool whose calls are executed by the nodes of a cluster: the same methods, handles and maps as
    /// those of a pool of workers of this process. `url` is where its brokers are, see [`Cluster::new`],
    /// which has the other settings.
    ///
    /// ```no_run
    /// use processes::Pool;
    ///
    /// processes::task! {
    ///     fn square(x: u64) -> u64 {
    ///         x * x
    ///     }
    /// }
    ///
    /// let pool = Pool::connect("nats://127.0.0.1:4222")?;
    /// let squares: Result<Vec<u64>, _> = pool.map(square, 0..1_000).collect();
    /// assert_eq!(squares?.len(), 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It waits up to a second for the first node to say that it is there. What differs from a local
    /// pool:
    /// - Only functions that were declared with [`task!`](crate::task) can be called; others, and
    ///   arguments with handles of shared memory, are [`JoinError::Encode`](crate::JoinError::Encode).
    /// - A call may be executed more than once, when its node, or the way to it, is lost; it resolves
    ///   once. [`Cluster::attempts`] limits it. All items of a map that travel together are executed again.
    /// - [`JoinHandle::cancel`](crate::JoinHandle::cancel) is `true` only while the call is still here.
    ///   Otherwise it is withdrawn from the broker and the nodes, and the handle says whether that came in
    ///   time: `Cancelled` if it never ran.
    /// - [`JoinHandle::kill`](crate::JoinHandle::kill) is `true` when the request was sent; a call
    ///   that no worker has begun is cancelled by it.
    /// - Limits and retries of a call are kept by its node.
    /// - [`workers`](Self::workers) are those of the nodes that have spoken within 10 s and take calls (not
    ///   of one that drains, or cannot start any), `pids` is empty, [`resize`](Self::resize) is `Unsupported`. In [`stats`](Self::stats), `running` counts what
    ///   nodes have,
    ///   `retried` and `lost` calls that a node had lost. [`nodes`](Self::nodes) has more of each node.
    /// - When its own thread fails, which would be a defect of this crate, all calls are
    ///   [`NodeLost`](crate::JoinError::NodeLost), and it has ended: [`is_closing`](Self::is_closing).
    /// - Dropping the pool waits for its calls, which takes as long as there is no node that executes them
    ///   (see [`Cluster::offline_limit`]).
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub fn connect(url: &str) -> io::Result<Self> {
        Cluster::new(url).connect()
    }

    /// What each node of the cluster has done for this pool, by name: those included that have left or
    /// were lost, of which up to 4,096 are remembered. Empty for a pool of workers of this process.
    pub fn nodes(&self) -> Vec<NodeStats> {
        self.engine().nodes()
    }
}
