//! The thread of a node: what its tasks share, how it begins and how it ends.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::{Client, SubscribeError, Subscriber};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::pool::Pool;

use super::super::broker::Broker;
use super::super::cluster::Cluster;
use super::super::task::Registry;
use super::super::wire::{NEEDED, News};
use super::fetch::fetch;
use super::health::Health;
use super::hear::{obey, take_answers};
use super::held::Shelf;
use super::leave::Leave;
use super::outbox::{Outbox, send_letters};
use super::tell::{renew_leases, say_here};
use super::watch::Failure;

/// How long to wait before something is tried again that a broker has refused.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How long the last results may take to arrive when a node stops, and the last messages to be
/// read by the broker.
const FAREWELL: Duration = Duration::from_secs(10);

/// How often it is looked whether workers that were killed have ended.
const GLANCE: Duration = Duration::from_millis(2);

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
    /// Names it to people and to clients: host, process, and some digits of `id`, because hosts and processes
    /// of containers may have the same names.
    pub(super) name: String,
    /// How long it may be silent about a call.
    pub(super) lease: Duration,
    /// What it holds.
    pub(super) shelf: Shelf,
    /// Whether it has workers.
    pub(super) health: Health,
    /// What it says to clients.
    pub(super) outbox: Outbox,
    /// What takes in the calls that were asked for.
    pub(super) batches: RefCell<Vec<JoinHandle<()>>>,
    /// Whether calls are given back: none is begun any more, no client is asked for one, and what becomes of
    /// them is not said.
    pub(super) is_over: Cell<bool>,
    /// Whether a task has failed.
    pub(super) failure: Rc<Failure>,
    /// Tells it to end.
    pub(super) leave: Arc<Leave>,
    /// The functions that have names.
    pub(super) registry: &'static Registry,
}

/// A node that is connected, and that clients can speak to.
pub(super) struct Opened {
    /// What its tasks share.
    desk: Desk,
    /// What clients say to it.
    from_clients: Subscriber,
    /// What they say to all nodes.
    to_all: Subscriber,
}

/// Connects.
///
/// # Errors
/// As [`Cluster::node`].
pub(super) async fn open(
    cluster: Cluster,
    pool: Pool,
    slots: usize,
    told: Arc<Leave>,
) -> io::Result<(Opened, ())> {
    let (count, connections) = watch::channel(0);
    let client = cluster.dial("node", Arc::new(count)).await?;
    let broker = Broker::open_soon(&client, &cluster).await?;
    let (lease, gone_after) = (broker.lease(), cluster.gone_after);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let id = crate::segment::random_id()?;
    let no = |error: SubscribeError| io::Error::new(io::ErrorKind::NotConnected, error);
    let from_clients = client.subscribe(broker.names.node_all(id)).await.map_err(no)?;
    let to_all = client.subscribe(broker.names.nodes()).await.map_err(no)?;
    let desk = Desk {
        client,
        connections,
        broker,
        cluster,
        pool,
        slots,
        id,
        name: name(&host, id),
        lease,
        shelf: Shelf::new(slots, gone_after),
        health: Health::default(),
        outbox: Outbox::default(),
        batches: RefCell::default(),
        is_over: Cell::new(false),
        failure: Rc::default(),
        leave: told,
        registry: Registry::get().map_err(io::Error::other)?,
    };
    Ok((Opened { desk, from_clients, to_all }, ()))
}

/// The name of a node of this process.
fn name(host: &str, id: u128) -> String {
    format!("{host}/{}/{:08x}", std::process::id(), id >> 96)
}

/// Serves until it is told to stop, or cannot go on.
pub(super) async fn run(opened: Opened) {
    let Opened { desk, from_clients, to_all } = opened;
    let desk = Rc::new(desk);
    let of = || Rc::clone(&desk);
    let failure = Rc::clone(&desk.failure);
    let listening = [
        failure.watch_for_good("take answers", take_answers(of(), from_clients)),
        failure.watch_for_good("obey clients", obey(of(), to_all)),
        failure.watch_for_good("say that it is there", say_here(of())),
        failure.watch_for_good("renew leases", renew_leases(of())),
        failure.watch_for_good("send letters", send_letters(of())),
    ];
    let fetching = failure.watch_for_good("fetch calls", fetch(of()));
    let serve = async {
        desk.leave.told().await;
        fetching.abort();
        // Without a broker it may wait for one; that is not to keep it here.
        let (Ok(()) | Err(_)) = timeout(PAUSE, desk.say()).await;
        desk.drain().await;
    };
    let end = tokio::select! {
        () = serve => Ok(()),
        why = desk.failure.happened() => Err(why),
    };
    fetching.abort();
    let left = desk.give_back().await;
    for task in listening {
        task.abort();
    }
    desk.leave.ended(end.map(|()| left));
}

impl Desk {
    /// How long a message may be that the broker of the moment takes.
    pub(super) fn longest(&self) -> usize {
        NEEDED.min(self.client.max_payload())
    }

    /// Tells whoever runs this node, if anybody listens.
    pub(super) fn note(&self, words: &str) {
        if let Some(log) = self.cluster.log {
            log(words);
        }
    }

    /// Whether the broker of the moment does not take messages that are long enough.
    pub(super) fn is_narrow(&self) -> bool {
        self.client.max_payload() < NEEDED
    }

    /// Waits until the calls that are here are executed, and their results have arrived, if that is in time.
    ///
    /// Calls that arrive from now on, because they were asked for before, are given back when they are
    /// looked at. One that is on its way in the moment in which the connection ends has to wait for its lease.
    async fn drain(&self) {
        let executed = async {
            while self.shelf.in_hand.get() > 0 {
                self.shelf.eased.notified().await;
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
                self.shelf.eased.notified().await;
            }
        };
        if in_time {
            // What does not arrive is executed by another node.
            let (Ok(()) | Err(_)) = timeout(FAREWELL, arrived).await;
        }
    }

    /// Lets other nodes have at once what is still here; how many calls that is.
    ///
    /// They may begin it as soon as it is given back: before that, the workers end.
    async fn give_back(&self) -> usize {
        // Otherwise what is given back would come back, by what this node has asked for.
        for batch in self.batches.take() {
            batch.abort();
            let (Ok(()) | Err(_)) = batch.await;
        }
        self.is_over.set(true);
        // What nobody waits for is a call of its own, see `health`.
        if !self.shelf.is_empty() || self.health.is_broken() {
            self.end_workers().await;
        }
        let left = self.shelf.all();
        let farewell = async {
            self.say().await;
            for (id, held) in &left {
                let unbegun = held.asked.get().or_else(|| self.outbox.unbegun.of(*id));
                self.tell(*id, News::NotHere { unbegun });
            }
            // Clients are to know when others ask them; those that do not hear it have them wait for a lease.
            self.send_all().await;
            for (_id, held) in &left {
                self.answer(held, AckKind::Nak(None)).await;
            }
            self.broker.has_read(&self.client).await;
        };
        let (Ok(()) | Err(_)) = timeout(FAREWELL, farewell).await;
        left.len()
    }

    /// Kills the workers, and waits until they have ended.
    async fn end_workers(&self) {
        let engine = self.pool.engine();
        // The second time, it kills.
        let _nothing_left = engine.interrupt() && engine.interrupt();
        let ended = async {
            while !engine.pids().is_empty() {
                sleep(GLANCE).await;
            }
        };
        // One that the system does not let go may be there for longer.
        let (Ok(()) | Err(_)) = timeout(FAREWELL, ended).await;
        // Those who wait for calls are to see which of them no worker has begun. One of them may have failed.
        let seen = async {
            while self.shelf.has_any_inside() {
                sleep(GLANCE).await;
            }
        };
        let (Ok(()) | Err(_)) = timeout(PAUSE, seen).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_the_same_host_and_process_have_names_of_their_own() {
        let (one, two) = (0x1234_abcd_u128 << 96, 0x1234_abce_u128 << 96);
        let process = std::process::id();
        assert_eq!(name("host", one), format!("host/{process}/1234abcd"));
        assert_ne!(name("host", one), name("host", two));
    }
}
