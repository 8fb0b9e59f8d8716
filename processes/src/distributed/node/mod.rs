//! A node: a pool of worker processes whose calls come from a cluster.

mod bury;
mod execute;
mod fetch;
mod health;
mod hear;
mod held;
mod leave;
mod look;
mod outbox;
mod pace;
mod program;
mod run;
mod serve;
mod share;
mod stage;
mod tell;
mod unbegun;
mod wanted;
mod watch;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

use crate::pool::Pool;

use super::cluster::Cluster;
use super::runtime;
use leave::Leave;

#[cfg(test)]
pub(super) use execute::check_items;
pub(super) use held::GONE_AFTER;
pub use program::{main, main_with};

/// Serves the cluster at `url` with so many workers, until the process ends: `Cluster::new(url)`, with
/// default settings.
///
/// The workers are processes of this program, so this is a line of a program that declares the
/// functions with [`task!`](crate::task), and can be called once for each cluster. For a program that
/// does nothing else, and is to end in good order, see [`main`].
///
/// ```no_run
/// processes::task! {
///     fn square(x: u64) -> u64 {
///         x * x
///     }
/// }
///
/// fn main() -> std::io::Result<()> {
///     processes::node::serve("nats://127.0.0.1:4222", 8)
/// }
/// ```
///
/// # Errors
/// As [`Cluster::node`], and as [`Node::wait`].
pub fn serve(url: &str, slots: usize) -> io::Result<()> {
    Cluster::new(url).node(slots)?.wait()
}

/// A node that serves; made by [`Cluster::node`]. Dropping it is [`stop`](Self::stop), without
/// its error.
///
/// A node takes no more calls from the broker than its workers can begin soon: as many as there are
/// workers, and some more while calls take less than some milliseconds. While it holds a call it says
/// so (three times in a [lease](Cluster::lease)), and it keeps the result until the client has it. While its
/// workers cannot be started (no process, memory or descriptor is left) it takes none, and those that it has
/// go to other nodes.
pub struct Node {
    /// Tells the thread to end, and what it says about it.
    leave: Arc<Leave>,
    /// The thread, until it is joined.
    thread: Option<thread::JoinHandle<()>>,
    /// For `Debug`.
    place: String,
}

impl Node {
    /// Connects and starts.
    ///
    /// # Errors
    /// As [`Cluster::node`].
    pub(super) fn start(cluster: Cluster, slots: usize) -> io::Result<Self> {
        let pool = Pool::builder().workers(slots).name("node").max_payload(cluster.max_payload);
        let pool = pool.build()?;
        let (leave, place) = (Arc::new(Leave::default()), cluster.place());
        let (name, told) = (format!("{}-node", cluster.namespace), Arc::clone(&leave));
        let open = move || run::open(cluster, pool, slots, told);
        let ((), thread) = runtime::start(&name, open, run::run)?;
        Ok(Self { leave, thread: Some(thread), place })
    }

    /// Takes no more calls, executes those that it holds, and waits until their results have arrived. What
    /// is not done within [`Cluster::drain`] goes to other nodes.
    ///
    /// # Errors
    /// As [`wait`](Self::wait): it could not go on, before it was told to stop or after.
    pub fn stop(mut self) -> io::Result<()> {
        self.finish()
    }

    /// Waits until the node ends, which it does on its own only when it cannot go on. It goes on through
    /// everything that happens to brokers, to clients, and to the way to them.
    ///
    /// # Errors
    /// Why it could not go on: one of its tasks has panicked, which is a defect of this crate. Its
    /// calls have gone to other nodes.
    pub fn wait(mut self) -> io::Result<()> {
        self.join()
    }

    /// Waits for the thread.
    ///
    /// # Errors
    /// Why the node could not go on.
    fn join(&mut self) -> io::Result<()> {
        if let Some(thread) = self.thread.take() {
            // Its panic was reported by the panic hook.
            let (Ok(()) | Err(_)) = thread.join();
        }
        self.leave.end().map(|_left| ()).map_err(io::Error::other)
    }

    /// Tells the thread to stop, and joins it; once.
    fn finish(&mut self) -> io::Result<()> {
        self.leave.tell();
        self.join()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) = self.finish();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("cluster", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stops_a_node_that_has_failed_is_told() {
        let node = |end| {
            let leave = Leave::default();
            leave.ended(end);
            Node { leave: Arc::new(leave), thread: None, place: String::new() }
        };
        let failed = || node(Err("a task has panicked".to_owned()));
        for error in [failed().stop().unwrap_err(), failed().wait().unwrap_err()] {
            assert_eq!(error.to_string(), "a task has panicked");
        }
        assert!(node(Ok(3)).stop().is_ok(), "what is left to others is no failure");
    }
}
