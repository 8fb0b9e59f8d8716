//! The engine of a pool whose calls are executed elsewhere.
//!
//! User threads only change [`State`], under its lock, and wake the one thread that talks to the
//! broker ([`run`]). A call is in the queue, or it is a [`Flight`], which is held until its result has
//! come, or it is settled. When a task of that thread panics, or the thread itself, everything is settled
//! as lost ([`watch`]).

mod audit;
mod begun;
mod body;
mod doubt;
mod engine;
mod flight;
mod missed;
mod news;
mod nodes;
mod orders;
mod publish;
mod refusals;
mod removals;
mod report;
mod run;
mod settle;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::call::{Argument, Call};
use crate::callbacks::Desk;
use crate::core::Threads;
use crate::error::{JoinError, Side};
use crate::pool::Pool;
use crate::ticket::Ticket;
use crate::tray::Tray;

use super::cluster::Cluster;
use super::runtime;
use super::task::{Named, Registry};
use super::wire::{CallId, too_narrow};
use flight::Flight;
pub use nodes::NodeStats;
use nodes::Nodes;
use settle::Counters;

/// How many calls, or frames of items, a client has under way at most; the others wait with it.
const MAX_FLIGHTS: usize = 1024;

/// How many bytes those have at most, but one is always under way.
const MAX_FLIGHT_BYTES: usize = 64 << 20;

/// How long `connect` waits for nodes to say that they are there.
const WAIT_FOR_NODES: Duration = Duration::from_secs(1);

/// What user threads ask of the thread that talks to the broker.
#[derive(Debug)]
enum Command {
    /// Withdraw a call that is under way; nodes may have begun it.
    Withdraw(u64),
    /// End a call, also if it runs.
    Kill(u64),
    /// Send what gets stale in this tray.
    Attend(Arc<Tray>),
    /// Panic, as a defect would.
    #[cfg(test)]
    Panic,
}

/// The engine.
#[derive(Debug)]
struct Remote {
    /// Where the cluster is.
    cluster: Cluster,
    /// Names this client, at random.
    id: u128,
    /// Everything that changes.
    state: Mutex<State>,
    /// Signalled at the end, and when a node says that it is there.
    changed: Condvar,
    /// To the thread that talks to the broker.
    commands: UnboundedSender<Command>,
    /// Wakes that thread when calls can be sent, or the pool is closed.
    work: Notify,
    /// Calls callbacks.
    desk: Arc<Desk>,
    /// The functions that have names.
    registry: &'static Registry,
}

/// Everything that changes.
#[derive(Debug, Default)]
struct State {
    /// Calls that were not sent. Some may be cancelled, which nobody has noticed here.
    queue: VecDeque<(Call, Named)>,
    /// How many of these were cancelled one by one.
    cancelled: usize,
    /// Calls that were sent, or are being sent.
    flights: HashMap<u64, Flight>,
    /// How many bytes those have.
    flight_bytes: usize,
    /// The number of the next one.
    next: u64,
    /// Calls that have ended without a result, and whose arguments are in the store.
    leftovers: Vec<u64>,
    /// Calls that were begun too often, those that have ended last.
    poison: VecDeque<u64>,
    /// Trays that are looked at, until they are empty: what is in them when the thread has ended would
    /// wait for ever.
    trays: Vec<Weak<Tray>>,
    /// Set when the pool stops, and how.
    closing: Option<Closing>,
    /// Why this client has failed, if it has.
    broken: Option<String>,
    /// True when everything has ended.
    ended: bool,
    /// True when the main task of the thread is to panic, as a defect would have it.
    #[cfg(test)]
    panics: bool,
    /// Since when there is no broker, or none that can be used.
    offline_since: Option<Instant>,
    /// What the broker takes, in bytes, if that is too little.
    narrow: Option<usize>,
    /// Since when there is this connection to a broker; before, nodes could not be heard.
    connected: Option<Instant>,
    /// The nodes, and what each has done.
    nodes: Nodes,
    /// What happened so far.
    counters: Counters,
}

/// How a pool stops.
#[derive(Clone, Copy, Debug)]
enum Closing {
    /// When every call has ended.
    Drain,
    /// What is under way may go on until then.
    Now {
        /// The end.
        until: Instant,
    },
}

/// A pool whose calls are executed by the nodes of a cluster.
///
/// # Errors
/// As [`Cluster::connect`].
pub(super) fn connect(cluster: Cluster) -> io::Result<Pool> {
    let (remote, threads) = Remote::start(cluster)?;
    remote.wait_for_nodes();
    Ok(Pool::of_engine(remote, threads))
}

impl Remote {
    /// Connects, and starts the thread that talks to the broker.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    fn start(cluster: Cluster) -> io::Result<(Arc<Self>, Threads)> {
        let (commands, orders) = unbounded_channel();
        let registry =
            Registry::get().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let remote = Arc::new(Self {
            id: crate::segment::random_id()?,
            state: Mutex::default(),
            changed: Condvar::new(),
            commands,
            work: Notify::new(),
            desk: Arc::default(),
            registry,
            cluster,
        });
        let (here, there) = (Arc::clone(&remote), Arc::clone(&remote));
        let open = move || run::Link::open(here, orders);
        let name = format!("{}-client", remote.cluster.namespace);
        let ((), thread) = runtime::start(&name, open, |link| run::run(link, there))?;
        Ok((remote, Threads(vec![thread])))
    }
}

/// Reads a report about three items of a map, for who feeds it what is none.
#[cfg(test)]
pub(super) fn read_report(report: super::wire::Report, body: &[u8]) -> String {
    report::Addressee::of_three_items().read(report, body)
}

impl Remote {
    /// Waits a moment for the first node.
    fn wait_for_nodes(&self) {
        let state = self.lock();
        let nobody = |state: &mut State| state.nodes.workers() == 0;
        let waited = self.changed.wait_timeout_while(state, WAIT_FOR_NODES, nobody);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The state. No user code runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a call of this client.
    fn call_id(&self, number: u64) -> CallId {
        CallId { client: self.id, number }
    }

    /// Why a call cannot leave this process, or its name elsewhere.
    fn named(&self, call: &Call) -> Result<Named, JoinError> {
        let refused = |message: &str| {
            Err(JoinError::Encode { side: Side::Parent, message: message.to_owned() })
        };
        if !call.handles.is_empty() {
            return refused("a handle of shared memory cannot go to another machine");
        }
        if matches!(call.argument, Argument::Arena(_) | Argument::Sealed(..) | Argument::Waiting(_))
        {
            return refused("the argument is in memory that another machine does not see");
        }
        self.registry.by_code(call.code).map_or_else(
            || refused("the function has no name on other machines: declare it with `task!`"),
            Ok,
        )
    }

    /// Whether nobody may call any more, and why.
    fn refusal(&self, state: &State) -> Option<JoinError> {
        if let Some(reason) = &state.broken {
            return Some(JoinError::NodeLost { reason: reason.clone() });
        }
        if state.closing.is_some() {
            return Some(JoinError::Cancelled);
        }
        state
            .offline_since
            .filter(|since| since.elapsed() >= self.cluster.offline_limit)
            .map(|_since| self.offline(state.narrow))
    }

    /// What calls end with when there is no broker for too long, or only one that takes so little.
    fn offline(&self, narrow: Option<usize>) -> JoinError {
        let (limit, place) = (self.cluster.offline_limit, self.cluster.place());
        let mut reason = format!("no broker at {place} for {limit:?}");
        if let Some(bytes) = narrow {
            reason = format!("{reason} that can be used: {}", too_narrow(bytes));
        }
        JoinError::NodeLost { reason }
    }
}

impl State {
    /// Takes all calls out that were not sent.
    fn take_queue(&mut self) -> VecDeque<(Call, Named)> {
        self.cancelled = 0;
        std::mem::take(&mut self.queue)
    }

    /// The number of a call that is under way.
    fn number_of(&self, ticket: &Ticket) -> Option<u64> {
        let number = u64::try_from(ticket.place()?.seat).ok()?;
        self.flights.contains_key(&number).then_some(number)
    }

    /// True when nothing is queued or under way.
    fn is_drained(&self) -> bool {
        self.flights.is_empty() && !self.queue.iter().any(|(call, _)| call.target.is_queued())
    }
}

#[cfg(test)]
mod tests;
