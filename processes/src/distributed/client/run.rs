//! The thread of a client: what its tasks share, how it begins and how it ends. All that it starts is
//! [watched](super::watch).

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::connection::State as Connection;
use async_nats::{Client, Subscriber};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::error::JoinError;

use super::super::broker::Broker;
use super::super::wire::{NEEDED, Shout, pack};
use super::audit::audit;
use super::news::take_news;
use super::nodes::meet_nodes;
use super::orders::follow_orders;
use super::removals::Removals;
use super::watch::watched;
use super::{Closing, Command, Remote};

/// How long to wait before something is tried again that a broker has refused.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How long the last messages may take to be read by the broker.
const FLUSH: Duration = Duration::from_secs(5);

/// The way to the broker.
pub(super) struct Link {
    /// The connection.
    client: Client,
    /// What is behind it.
    broker: Broker,
    /// The engine.
    remote: Arc<Remote>,
    /// What user threads ask for.
    orders: UnboundedReceiver<Command>,
    /// What nodes say to this client.
    news: Subscriber,
    /// What nodes say to all clients.
    here: Subscriber,
    /// Counts connections.
    connections: watch::Receiver<u64>,
}

impl Link {
    /// Connects.
    pub(super) async fn open(
        remote: Arc<Remote>,
        orders: UnboundedReceiver<Command>,
    ) -> std::io::Result<(Self, ())> {
        let (count, connections) = watch::channel(0);
        let client = remote.cluster.dial("client", Arc::new(count)).await?;
        let broker = Broker::open_soon(&client, &remote.cluster).await?;
        let no = |error: async_nats::SubscribeError| {
            std::io::Error::new(std::io::ErrorKind::NotConnected, error)
        };
        let news = client.subscribe(broker.names.client(remote.id)).await.map_err(no)?;
        let here = client.subscribe(broker.names.here()).await.map_err(no)?;
        Ok((Self { client, broker, remote, orders, news, here, connections }, ()))
    }
}

/// What the tasks of this thread share.
pub(super) struct Desk {
    /// The connection.
    pub(super) client: Client,
    /// What is behind it.
    pub(super) broker: Broker,
    /// The engine.
    pub(super) remote: Arc<Remote>,
    /// What is being removed from the store.
    pub(super) removals: Removals,
}

/// Serves until the pool is closed and every call has ended, or it has failed.
pub(super) async fn run(link: Link, remote: Arc<Remote>) {
    let Link { client, broker, orders, news, here, connections, remote: _same } = link;
    let desk = Rc::new(Desk { client, broker, remote, removals: Removals::default() });
    let tasks = [
        desk.stand("what follows orders", follow_orders(Rc::clone(&desk), orders)),
        desk.stand("what hears nodes", take_news(Rc::clone(&desk), news)),
        desk.stand("what counts nodes", meet_nodes(Rc::clone(&desk), here)),
        desk.stand(
            "what sees connections",
            note_connections(Rc::clone(&desk), connections.clone()),
        ),
        desk.stand("what looks for calls", audit(Rc::clone(&desk), connections)),
    ];
    watched(Arc::clone(&desk.remote), "its main task", serve(&desk)).await;
    for number in desk.remote.take_leftovers() {
        desk.forget_argument(number);
    }
    // Otherwise the last confirmations would be lost, and nodes would keep the results for a while; and
    // what is in the store would stay there for a day.
    let farewell = async {
        desk.shout(Shout::Bye(desk.remote.id)).await;
        desk.removals.are_over().await;
        desk.broker.has_read(&desk.client).await;
        desk.broker.store.clean().await;
    };
    let (Ok(()) | Err(_)) = timeout(FLUSH, farewell).await;
    for task in tasks {
        task.abort();
    }
    desk.remote.finish();
}

/// Sends calls as they come, until the pool is closed and every call has ended.
async fn serve(desk: &Rc<Desk>) {
    desk.shout(Shout::Who).await;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        #[cfg(test)]
        assert!(!desk.remote.lock().panics, "planted");
        for number in desk.remote.take_off() {
            desk.spawn("sending a call", Rc::clone(desk).publish(number));
        }
        for number in desk.remote.take_leftovers() {
            desk.forget_argument(number);
        }
        if desk.has_ended().await {
            return;
        }
        tokio::select! {
            () = desk.remote.work.notified() => {}
            _ = ticks.tick() => {}
        }
    }
}

/// Notes since when there is a connection.
async fn note_connections(desk: Rc<Desk>, mut connections: watch::Receiver<u64>) {
    loop {
        desk.remote.lock().connected = Some(Instant::now());
        if connections.changed().await.is_err() {
            return;
        }
    }
}

impl Remote {
    /// Calls whose arguments are to be removed from the store.
    fn take_leftovers(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().leftovers)
    }
}

impl Desk {
    /// Says something to all nodes.
    pub(super) async fn shout(&self, shout: Shout) {
        let message = pack(&shout, &[]);
        // It fails only when the connection is given up, which never happens.
        let (Ok(()) | Err(_)) =
            self.client.publish(self.broker.names.nodes(), message.into()).await;
    }

    /// Whether the pool is closed and every call has ended; ends those that may not go on.
    async fn has_ended(&self) -> bool {
        let connected = self.client.connection_state() == Connection::Connected;
        let takes = self.client.max_payload();
        let (closing, drained, offline, narrow) = {
            let mut state = self.remote.lock();
            state.narrow = (connected && takes < NEEDED).then_some(takes);
            let online = connected && state.narrow.is_none();
            let since = state.offline_since.filter(|_| !online);
            state.offline_since = since.or_else(|| (!online).then(Instant::now));
            let offline = state.offline_since.map(|since| since.elapsed());
            (state.closing, state.is_drained(), offline, state.narrow)
        };
        if offline.is_some_and(|offline| offline >= self.remote.cluster.offline_limit) {
            self.remote.end_all(|_flight| self.remote.offline(narrow));
        }
        match closing {
            Some(_) if drained => true,
            Some(Closing::Now { until }) if Instant::now() >= until => {
                self.stop_all().await;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Ends all calls, also those that run.
    async fn stop_all(&self) {
        let numbers: Vec<_> = self.remote.lock().flights.keys().copied().collect();
        let kills = async {
            for number in numbers {
                self.shout(Shout::Kill(self.remote.call_id(number))).await;
            }
        };
        // Without a connection they would wait for one.
        let (Ok(()) | Err(_)) = timeout(FLUSH, kills).await;
        self.remote.end_all(|flight| match flight.filter(|flight| flight.is_begun()) {
            Some(flight) => {
                let reason = format!("the pool was stopped while node {} had it", flight.node());
                JoinError::NodeLost { reason }
            }
            None => JoinError::Cancelled,
        });
    }
}
