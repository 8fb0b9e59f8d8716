//! A NATS broker and nodes for as long as they are needed, all on this machine.
//!
//! A [`Cluster`] is a broker that listens on loopback, on a port that was free, with a store that was
//! empty, and nodes: this program again, started as one. Dropping it ends all of them and removes the
//! store. When its program is killed instead, all of that happens, too:
//!
//! ```text
//! program  --starts-->  keeper  --starts-->  nats-server
//!    \--starts-->  nodes
//! ```
//!
//! The *keeper* is this program, too, in a process group of its own, so that it outlives whoever kills the
//! program with its group. It waits for the end of its standard input, which is the end of the program or
//! of its [`Cluster`]; then it ends the broker and removes its folder. The broker, and each node, are
//! ended by the kernel when the process that started them ends, the keeper included. (Only whoever kills
//! the keeper first leaves a folder behind.)
//!
//! `main` begins with [`run`], which turns a process that was started as one of these into it.

mod broker;
mod keeper;
mod node;

use std::{ffi::OsString, path::Path, process::ExitCode};

use broker::Broker;
use node::Node;

pub use broker::{HINT, is_installed};
pub use node::cpu_ns;

/// A broker with nodes; dropping it ends them.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes; they end before the broker.
    nodes: Vec<Node>,
    /// The broker.
    broker: Broker,
}

/// Does what a process is to do that a [`Cluster`] has started; `None`: this is none. A node is what `node`
/// makes of these arguments, which are those of `processes::node::main_with`.
///
/// Call it on the main thread, before there are others.
pub fn run(node: fn(Vec<OsString>) -> u8) -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let role = words.next()?;
    let rest: Vec<_> = words.collect();
    match role.to_str()? {
        keeper::ROLE => Some(keeper::keep()),
        broker::ROLE => Some(broker::become_one(&rest)),
        node::ROLE => Some(node::become_one(rest, node)),
        _ => None,
    }
}

impl Cluster {
    /// Starts a broker, and for each of these numbers a node with so many workers. The nodes may take a
    /// moment to serve: wait until `Pool::workers` counts them.
    ///
    /// # Errors
    /// Why there is none, as a sentence; nothing is left of it.
    pub fn start(slots: &[usize]) -> Result<Self, String> {
        let broker = Broker::start()?;
        let mut cluster = Self { nodes: Vec::new(), broker };
        for &slots in slots {
            let node = Node::start(cluster.url(), cluster.folder(), slots)?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// Where the broker is.
    pub fn url(&self) -> &str {
        self.broker.url()
    }

    /// A folder that goes with the cluster. Nodes and their workers find it in the variable
    /// [`FOLDER`](Self::FOLDER).
    pub fn folder(&self) -> &Path {
        self.broker.folder()
    }

    /// The variable that names the [`folder`](Self::folder).
    pub const FOLDER: &'static str = "TRIPTYCH_CLUSTER_FOLDER";

    /// The process of the broker.
    pub fn broker_pid(&self) -> u32 {
        self.broker.pid()
    }

    /// The processes of the nodes, which are the parents of their workers.
    pub fn node_pids(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(Node::pid)
    }

    /// The last line that a node has said, for who wonders why it does not serve.
    pub fn last_words(&self) -> String {
        let said = std::fs::read_to_string(self.folder().join(node::LOG)).unwrap_or_default();
        said.lines().last().unwrap_or("nothing").to_owned()
    }

    /// Ends everything: nodes first, which deliver what they have begun.
    ///
    /// # Errors
    /// What did not end well, as a sentence; it has ended nevertheless.
    pub fn stop(mut self) -> Result<(), String> {
        self.nodes.iter().for_each(Node::tell);
        let ends = self.nodes.drain(..).map(Node::stop).fold(Ok(()), Result::and);
        ends.and(self.broker.stop())
    }
}
