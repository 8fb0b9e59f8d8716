//! The thread of a node: what its tasks share, how it begins and how it ends.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::AckKind;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::pool::Pool;

use super::super::broker::Broker;
use super::super::cluster::Cluster;
use super::super::task::Registry;
use super::fetch::fetch;
use super::hear::{obey, take_confirmations};
use super::held::Shelf;
use super::leave::Leave;
use super::tell::{answer, renew_leases, say_here};

/// How long to wait before something is tried again that a broker has refused.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How long the last results may take to arrive when a node stops, and the last messages to be
/// read by the broker.
const FAREWELL: Duration = Duration::from_secs(10);

/// What the tasks of a node share.
pub(super) struct Desk {
    /// The connection.
    pub(super) client: Client,
    /// Counts connections.
    pub(super) connections: watch::Receiver<u64>,
    /// What is behind it.
    pub(super) broker: Broker,
    /// Where the cluster is.
    pub(super) cluster: Cluster,
    /// Executes the calls.
    pub(super) pool: Pool,
    /// How many workers that has.
    pub(super) slots: usize,
    /// Names this node, at random.
    pub(super) id: u128,
    /// Names it to people: host and process, and some digits of `id`.
    pub(super) name: String,
    /// How long it may be silent about a call.
    pub(super) lease: Duration,
    /// What it holds.
    pub(super) shelf: Shelf,
    /// Told when there is room for calls.
    pub(super) room: Notify,
    /// Tells it to end.
    pub(super) leave: Arc<Leave>,
    /// The functions that have names.
    pub(super) registry: &'static Registry,
}

/// Connects.
pub(super) async fn open(
    cluster: Cluster,
    pool: Pool,
    slots: usize,
    told: Arc<Leave>,
) -> io::Result<(Desk, ())> {
    let (count, connections) = watch::channel(0);
    let client = cluster.dial("node", Arc::new(count)).await?;
    let broker = Broker::open_soon(&client, &cluster).await?;
    let lease = broker.lease();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let desk = Desk {
        client,
        connections,
        broker,
        cluster,
        pool,
        slots,
        id: crate::segment::random_id()?,
        name: name(&host),
        lease,
        shelf: Shelf::new(slots),
        room: Notify::new(),
        leave: told,
        registry: Registry::get().map_err(io::Error::other)?,
    };
    Ok((desk, ()))
}

/// The name of one more node of this process.
fn name(host: &str) -> String {
    static NODES: AtomicU32 = AtomicU32::new(0);
    let name = format!("{host}/{}", std::process::id());
    match NODES.fetch_add(1, Ordering::Relaxed) {
        0 => name,
        others => format!("{name}/{}", others + 1),
    }
}

/// Serves until it is told to stop.
pub(super) async fn run(desk: Desk) {
    let desk = Rc::new(desk);
    let from_clients = desk.client.subscribe(desk.broker.names.node_all(desk.id)).await;
    let to_all = desk.client.subscribe(desk.broker.names.nodes()).await;
    let (Ok(from_clients), Ok(to_all)) = (from_clients, to_all) else { return };
    let listening = [
        spawn_local(take_confirmations(Rc::clone(&desk), from_clients)),
        spawn_local(obey(Rc::clone(&desk), to_all)),
        spawn_local(say_here(Rc::clone(&desk))),
        spawn_local(renew_leases(Rc::clone(&desk))),
    ];
    let fetching = spawn_local(fetch(Rc::clone(&desk)));
    desk.leave.told().await;
    fetching.abort();
    desk.say().await;
    desk.drain().await;
    for task in listening {
        task.abort();
    }
}

impl Desk {
    /// Waits until the calls that are here are executed, and their results have arrived; what is still here
    /// after that goes to other nodes at once.
    ///
    /// Calls that arrive from now on, because they were asked for before, are given back when they are
    /// looked at. One that is on its way in the moment in which the connection ends has to wait for its lease.
    async fn drain(&self) {
        let executed = async {
            while self.shelf.shares.busy() > 0 {
                self.room.notified().await;
            }
        };
        let in_time = if let Some(limit) = self.cluster.drain {
            timeout(limit, executed).await.is_ok()
        } else {
            executed.await;
            true
        };
        let arrived = async {
            while !self.shelf.is_empty() {
                self.room.notified().await;
            }
        };
        if in_time {
            // What does not arrive is executed by another node.
            let (Ok(()) | Err(_)) = timeout(FAREWELL, arrived).await;
        }
        let left = self.shelf.all();
        for held in &left {
            answer(held, AckKind::Nak(None)).await;
        }
        let (Ok(()) | Err(_)) = timeout(FAREWELL, self.broker.has_read(&self.client)).await;
        if !left.is_empty() {
            // The second time, it kills. No task is polled any more: nobody is told that these calls have
            // lost their workers.
            let engine = self.pool.engine();
            let _nothing_left = engine.interrupt() && engine.interrupt();
        }
        self.leave.ended(left.len());
    }
}
