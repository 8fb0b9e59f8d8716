//! The engine of a pool whose calls are executed elsewhere.
//!
//! User threads only change [`State`], under its lock, and wake the one thread that talks to the
//! broker ([`run`]). A call is in the queue, or it is a [`Flight`], which is held until its result has
//! come, or it is settled.

mod flight;
mod run;
mod settle;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::arena::Arena;
use crate::arena::holds::Readers;
use crate::call::{Argument, Call, Ways};
use crate::callbacks::Desk;
use crate::core::Threads;
use crate::engine::Engine;
use crate::error::{JoinError, Side};
use crate::harvest::Harvest;
use crate::pool::Pool;
use crate::stats::Stats;
use crate::ticket::Ticket;
use crate::tray::Tray;

use super::cluster::Cluster;
use super::runtime;
use super::task::{Named, Registry};
use super::wire::CallId;
use flight::Flight;
use settle::{Counters, Settled};

/// How many calls, or frames of items, a client has under way at most; the others wait with it.
const MAX_FLIGHTS: usize = 1024;

/// How many bytes those have at most, but one is always under way.
const MAX_FLIGHT_BYTES: usize = 64 << 20;

/// After this time without a word a node is not counted any more.
const NODE_SILENT: Duration = Duration::from_secs(10);

/// How long `connect` waits for nodes to say that they are there.
const WAIT_FOR_NODES: Duration = Duration::from_secs(1);

/// For each worker of the cluster, as many are counted, because results are on the way for a while.
const DEPTH: usize = 4;

/// What user threads ask of the thread that talks to the broker.
#[derive(Debug)]
enum Command {
    /// Withdraw a call that is under way; nodes may have begun it.
    Withdraw(u64),
    /// End a call, also if it runs.
    Kill(u64),
    /// Send what gets stale in this tray.
    Attend(Arc<Tray>),
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
    /// Calls that were sent, or are being sent.
    flights: HashMap<u64, Flight>,
    /// How many bytes those have.
    flight_bytes: usize,
    /// The number of the next one.
    next: u64,
    /// Set when the pool stops, and how.
    closing: Option<Closing>,
    /// True when everything has ended.
    ended: bool,
    /// Since when there is no broker.
    offline_since: Option<Instant>,
    /// Nodes: how many workers each has, and when it said so.
    nodes: HashMap<String, (u32, Instant)>,
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
    let (commands, orders) = unbounded_channel();
    let registry =
        Registry::get().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
    let remote = Arc::new(Remote {
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
    remote.wait_for_nodes();
    Ok(Pool::of_engine(remote, Threads(vec![thread])))
}

impl Remote {
    /// Waits a moment for the first node.
    fn wait_for_nodes(&self) {
        let state = self.lock();
        let nobody = |state: &mut State| state.nodes.is_empty();
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
        if matches!(call.argument, Argument::Arena(_) | Argument::Sealed(..)) {
            return refused("the argument is in memory that another machine does not see");
        }
        self.registry.by_code(call.code).map_or_else(
            || refused("the function has no name on other machines: declare it with `task!`"),
            Ok,
        )
    }

    /// Whether nobody may call any more, and why.
    fn refusal(&self, state: &State) -> Option<JoinError> {
        if state.closing.is_some() {
            return Some(JoinError::Cancelled);
        }
        state
            .offline_since
            .filter(|since| since.elapsed() >= self.cluster.offline_limit)
            .map(|_since| self.offline())
    }

    /// What calls end with when there is no broker for too long.
    fn offline(&self) -> JoinError {
        let limit = self.cluster.offline_limit;
        let reason = format!("no broker at {} for {limit:?}", self.cluster.place());
        JoinError::NodeLost { reason }
    }
}

impl State {
    /// The number of a call that is under way.
    fn number_of(&self, ticket: &Ticket) -> Option<u64> {
        let number = u64::try_from(ticket.place()?.seat).ok()?;
        self.flights.contains_key(&number).then_some(number)
    }

    /// How many workers the nodes have that have spoken lately.
    fn workers(&self) -> usize {
        let nodes = self.nodes.values().filter(|(_slots, at)| at.elapsed() < NODE_SILENT);
        nodes.map(|&(slots, _at)| usize::try_from(slots).unwrap_or(0)).sum()
    }

    /// True when nothing is queued or under way.
    fn is_drained(&self) -> bool {
        self.flights.is_empty() && !self.queue.iter().any(|(call, _)| call.target.is_queued())
    }
}

impl Engine for Remote {
    fn name(&self) -> &str {
        &self.cluster.namespace
    }

    fn call_timeout(&self) -> Option<Duration> {
        None
    }

    fn ways(&self) -> Ways<'_> {
        let max_payload = self.cluster.max_payload;
        Ways { max_payload, inline: usize::MAX, arena: None }
    }

    fn arena_and_readers(&self) -> Option<(&Arc<Arena>, &Arc<Readers>)> {
        None
    }

    fn submit(&self, call: Call) {
        let named = self.named(&call);
        let mut state = self.lock();
        let mut settled = Settled::default();
        match named {
            Err(error) => settled.call(&mut state, call, Err(error)),
            Ok(named) => match self.refusal(&state) {
                Some(error) => settled.call(&mut state, call, Err(error)),
                None => state.queue.push_back((call, named)),
            },
        }
        drop(state);
        settled.wake();
        self.work.notify_one();
    }

    fn cancel(&self, ticket: &Ticket) -> bool {
        let mut state = self.lock();
        if ticket.is_queued() {
            let waiters = ticket.settle(Err(JoinError::Cancelled));
            state.counters.cancelled += 1;
            drop(state);
            if let Some(waiters) = waiters {
                waiters.wake(ticket);
            }
            self.work.notify_one();
            return true;
        }
        if let Some(number) = state.number_of(ticket) {
            // It fails only after the end, when nothing is under way.
            let (Ok(()) | Err(_)) = self.commands.send(Command::Withdraw(number));
        }
        false
    }

    fn kill(&self, ticket: &Ticket) -> bool {
        let number = self.lock().number_of(ticket);
        number.is_some_and(|number| self.commands.send(Command::Kill(number)).is_ok())
    }

    fn is_running(&self, ticket: &Ticket) -> bool {
        let state = self.lock();
        let number = state.number_of(ticket);
        number.is_some_and(|number| state.flights[&number].is_begun())
    }

    fn pid_of(&self, _ticket: &Ticket) -> Option<u32> {
        None
    }

    fn desk(&self) -> Arc<Desk> {
        self.desk.open(&self.cluster.namespace);
        Arc::clone(&self.desk)
    }

    fn attend(&self, tray: &Arc<Tray>) {
        let (Ok(()) | Err(_)) = self.commands.send(Command::Attend(Arc::clone(tray)));
    }

    fn abandon(&self, harvest: &Arc<Harvest>) {
        let mut state = self.lock();
        harvest.close();
        let mut gone = Vec::new();
        state.queue.retain(|(call, _named)| !call.target.belongs_to(harvest));
        for (&number, flight) in &state.flights {
            if flight.call.target.belongs_to(harvest) {
                gone.push(number);
            }
        }
        drop(state);
        for number in gone {
            let (Ok(()) | Err(_)) = self.commands.send(Command::Withdraw(number));
        }
    }

    fn workers(&self) -> usize {
        self.lock().workers()
    }

    fn width(&self) -> usize {
        DEPTH * self.lock().workers().max(2)
    }

    fn resize(&self, _workers: usize) -> io::Result<()> {
        let message = "resize a cluster from here: start or stop nodes instead";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }

    fn stats(&self) -> Stats {
        let state = self.lock();
        let begun = state.flights.values().filter(|flight| flight.is_begun());
        let running: u64 = begun.map(|flight| u64::from(flight.call.items())).sum();
        let flying: u64 = state.flights.values().map(|f| u64::from(f.call.items())).sum();
        let queued = state.queue.iter().filter(|(call, _)| call.target.is_queued());
        let queued: u64 = queued.map(|(call, _)| u64::from(call.items())).sum();
        let (workers, counters) = (state.workers(), state.counters);
        Stats {
            workers,
            queued: queued + flying - running,
            running,
            ready: workers,
            done: counters.done,
            panicked: counters.panicked,
            failed: counters.failed,
            cancelled: counters.cancelled,
            started: 0,
            retried: counters.retried,
            recycled: 0,
            lost: counters.lost,
            arena_blocks: 0,
            arena_bytes: 0,
            arena_kept_bytes: 0,
        }
    }

    fn is_closing(&self) -> bool {
        self.lock().closing.is_some()
    }

    fn close(&self, drain: bool) -> usize {
        let mut settled = Settled::default();
        let mut state = self.lock();
        if drain {
            state.closing.get_or_insert(Closing::Drain);
        } else {
            let until = Instant::now() + self.cluster.grace;
            state.closing = Some(Closing::Now { until });
            for (call, _named) in std::mem::take(&mut state.queue) {
                if call.target.is_queued() {
                    settled.call(&mut state, call, Err(JoinError::Cancelled));
                }
            }
            for &number in state.flights.keys() {
                let (Ok(()) | Err(_)) = self.commands.send(Command::Withdraw(number));
            }
        }
        drop(state);
        let unrun = settled.items();
        settled.wake();
        self.work.notify_one();
        unrun
    }

    fn interrupt(&self) -> bool {
        let state = self.lock();
        let (closing, ended) = (state.closing, state.ended);
        drop(state);
        match closing {
            None => self.close(true),
            Some(Closing::Drain) if !ended => self.close(false),
            Some(_) => return false,
        };
        true
    }

    fn wait_until_ended(&self) {
        let mut state = self.lock();
        while !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish_callbacks(&self) {
        self.desk.close();
    }
}
