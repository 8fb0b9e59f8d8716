//! The thread of a client: sends calls, takes results in, and looks after calls that are under way.

use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_nats::connection::State as Connection;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::{Client, Message, Subject, Subscriber};
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::clock;
use crate::error::JoinError;
use crate::tray::{Look, STALE, Tray};

use super::super::broker::{Broker, argument_name, result_name};
use super::super::wire::{Confirm, Here, News, Shout, Up, pack, unpack};
use super::{Closing, Command, Remote};

/// How long to wait before something is tried again that a broker has refused.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether calls that are under way are still in the stream.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// How long a withdrawn call is given to say that it was begun nevertheless.
const WITHDRAWAL: Duration = Duration::from_secs(2);

/// How long the last messages may take to leave.
const FLUSH: Duration = Duration::from_secs(5);

/// The most messages that are taken in before their results are confirmed.
const BURST: usize = 256;

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
        let broker = Broker::open(&client, &remote.cluster).await?;
        let no = |error: async_nats::SubscribeError| {
            std::io::Error::new(std::io::ErrorKind::NotConnected, error)
        };
        let news = client.subscribe(broker.names.client(remote.id)).await.map_err(no)?;
        let here = client.subscribe(broker.names.here()).await.map_err(no)?;
        Ok((Self { client, broker, remote, orders, news, here, connections }, ()))
    }
}

/// What the tasks of this thread share.
struct Desk {
    /// The connection.
    client: Client,
    /// What is behind it.
    broker: Broker,
    /// The engine.
    remote: Arc<Remote>,
}

/// Serves until the pool is closed and every call has ended.
pub(super) async fn run(link: Link, remote: Arc<Remote>) {
    let Link { client, broker, orders, news, here, connections, remote: _same } = link;
    let desk = Rc::new(Desk { client, broker, remote });
    let tasks = [
        spawn_local(follow_orders(Rc::clone(&desk), orders)),
        spawn_local(take_news(Rc::clone(&desk), news)),
        spawn_local(meet_nodes(Rc::clone(&desk), here)),
        spawn_local(audit(Rc::clone(&desk), connections)),
    ];
    desk.shout(Shout::Who).await;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for number in desk.remote.take_off() {
            spawn_local(Rc::clone(&desk).publish(number));
        }
        if desk.has_ended().await {
            break;
        }
        tokio::select! {
            () = desk.remote.work.notified() => {}
            _ = ticks.tick() => {}
        }
    }
    for task in tasks {
        task.abort();
    }
    desk.shout(Shout::Bye(desk.remote.id)).await;
    // Otherwise the last confirmations would be lost, and nodes would keep the results for a while.
    let (Ok(_) | Err(_)) = timeout(FLUSH, desk.client.flush()).await;
    desk.remote.lock().ended = true;
    desk.remote.changed.notify_all();
}

/// Does what user threads ask for.
async fn follow_orders(desk: Rc<Desk>, mut orders: UnboundedReceiver<Command>) {
    while let Some(order) = orders.recv().await {
        match order {
            Command::Withdraw(number) => drop(spawn_local(Rc::clone(&desk).withdraw(number))),
            Command::Kill(number) => desk.shout(Shout::Kill(desk.remote.call_id(number))).await,
            Command::Attend(tray) => {
                let tray = Arc::downgrade(&tray);
                drop(spawn_local(attend(Arc::clone(&desk.remote), tray)));
            }
        }
    }
}

/// Sends what gets stale in a tray, until that is empty.
async fn attend(remote: Arc<Remote>, tray: Weak<Tray>) {
    use crate::engine::Engine;
    loop {
        let pause = match tray.upgrade().map(|tray| tray.look(clock::now_ns())) {
            None | Some(Look::Empty) => return,
            Some(Look::Fresh(due_ns)) => {
                Duration::from_nanos(due_ns.saturating_sub(clock::now_ns()))
            }
            Some(Look::Stale(call)) => {
                remote.submit(call);
                STALE
            }
        };
        sleep(pause.max(Duration::from_millis(1))).await;
    }
}

/// Notes which nodes are there.
async fn meet_nodes(desk: Rc<Desk>, mut here: Subscriber) {
    while let Some(message) = here.next().await {
        let Ok((Here { node, slots }, _body)) = unpack::<Here>(&message.payload) else { continue };
        let mut state = desk.remote.lock();
        if slots == 0 {
            state.nodes.remove(&node);
        } else {
            state.nodes.insert(node, (slots, Instant::now()));
        }
        state.nodes.retain(|_node, (_slots, at)| at.elapsed() < 10 * super::NODE_SILENT);
        drop(state);
        desk.remote.changed.notify_all();
    }
}

/// Takes in what nodes say, and confirms results, many at a time.
async fn take_news(desk: Rc<Desk>, mut news: Subscriber) {
    while let Some(message) = news.next().await {
        let mut confirmed: Vec<(Subject, Vec<u64>)> = Vec::new();
        let mut next = Some(message);
        for _ in 0..BURST {
            let Some(message) = next.take() else { break };
            if let Some((reply, number)) = desk.hear(message).await {
                match confirmed.iter_mut().find(|(node, _)| *node == reply) {
                    Some((_node, numbers)) => numbers.push(number),
                    None => confirmed.push((reply, vec![number])),
                }
            }
            next = poll_once(news.next()).await.flatten();
        }
        for (node, numbers) in confirmed {
            desk.confirm(node, numbers).await;
        }
        if let Some(message) = next
            && let Some((node, number)) = desk.hear(message).await
        {
            desk.confirm(node, vec![number]).await;
        }
    }
}

/// Looks whether calls that are under way are still in the stream: from time to time, and when the
/// connection is a new one. A broker may have lost them with its disk, or its memory.
async fn audit(desk: Rc<Desk>, mut connections: watch::Receiver<u64>) {
    loop {
        let (Ok(_) | Err(_)) = timeout(AUDIT_EVERY, connections.changed()).await;
        if desk.client.connection_state() != Connection::Connected {
            continue;
        }
        let flights: Vec<_> = {
            let state = desk.remote.lock();
            let sent = state
                .flights
                .iter()
                .filter_map(|(&number, flight)| Some((number, flight.sequence?, flight.resent)));
            sent.collect()
        };
        for (number, sequence, resent) in flights {
            let lost = desk.has_lost(&desk.message_id(number, resent), sequence).await;
            if lost && desk.remote.resend(number, sequence) {
                spawn_local(Rc::clone(&desk).publish(number));
            }
        }
    }
}

impl Remote {
    /// The broker has lost a call. False when that is no news.
    fn resend(&self, number: u64, sequence: u64) -> bool {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number);
        let Some(flight) = flight.filter(|flight| flight.sequence == Some(sequence)) else {
            return false;
        };
        if flight.withdrawn {
            self.end(state, number, JoinError::Cancelled);
            return false;
        }
        flight.sequence = None;
        // A broker that remembers the id, but has not the message, would drop it as a duplicate.
        flight.resent += 1;
        true
    }
}

impl Desk {
    /// The name of a message.
    fn message_id(&self, number: u64, resent: u32) -> String {
        format!("{}.{resent}", self.remote.call_id(number))
    }

    /// Says something to all nodes.
    async fn shout(&self, shout: Shout) {
        let message = pack(&shout, &[]);
        // It fails only when the connection is given up, which never happens.
        let (Ok(()) | Err(_)) =
            self.client.publish(self.broker.names.nodes(), message.into()).await;
    }

    /// Tells a node which results have arrived.
    async fn confirm(&self, node: Subject, numbers: Vec<u64>) {
        let message = pack(&Confirm { client: self.remote.id, numbers }, &[]);
        let (Ok(()) | Err(_)) = self.client.publish(node, message.into()).await;
    }

    /// Makes again what a broker has lost. False when it has not worked.
    async fn reopen(&self) -> bool {
        Broker::open(&self.client, &self.remote.cluster).await.is_ok()
    }

    /// Whether a broker that can be asked has not the message of this name at this place.
    async fn has_lost(&self, name: &str, sequence: u64) -> bool {
        for retry in [true, false] {
            match self.broker.calls.get_raw_message(sequence).await {
                Ok(found) => {
                    let id = found.headers.get("Nats-Msg-Id");
                    return id.is_none_or(|id| id.as_str() != name);
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return true,
                // Perhaps there is no stream.
                Err(_why) if retry && self.reopen().await => {}
                Err(_why) => return false,
            }
        }
        false
    }

    /// Sends a call, and tries until the broker has it or it has ended.
    async fn publish(self: Rc<Self>, number: u64) {
        let id = self.remote.call_id(number);
        let mut stored = false;
        loop {
            let (head, body, resent) = {
                let state = self.remote.lock();
                let Some(flight) = state.flights.get(&number) else { return };
                (flight.head(id), flight.body().to_vec(), flight.resent)
            };
            let sent = if head.stored.is_some() && !stored {
                let put = self.broker.put(&argument_name(id), &body).await;
                stored = put.is_ok();
                put.map(|()| None)
            } else {
                let body = if head.stored.is_some() { &[][..] } else { &body };
                self.send(&self.message_id(number, resent), pack(&head, body)).await.map(Some)
            };
            match sent {
                Ok(None) => {}
                Ok(Some(sequence)) => {
                    if let Some(flight) = self.remote.lock().flights.get_mut(&number) {
                        flight.sequence = Some(sequence);
                    }
                    return;
                }
                Err(_why) => {
                    sleep(PAUSE).await;
                    let _reopened = self.reopen().await;
                }
            }
        }
    }

    /// Sends a message into the stream of calls. Returns where it is.
    async fn send(&self, id: &str, message: Vec<u8>) -> Result<u64, String> {
        let message = PublishMessage::build().payload(message.into()).message_id(id);
        let subject = self.broker.names.call();
        let text = |error: async_nats::jetstream::context::PublishError| error.to_string();
        let acknowledged =
            self.broker.jetstream.send_publish(subject, message).await.map_err(text)?;
        acknowledged.await.map(|ack| ack.sequence).map_err(text)
    }

    /// Withdraws a call that is under way: out of the stream, and from nodes that have not begun it.
    async fn withdraw(self: Rc<Self>, number: u64) {
        let sequence = {
            let mut state = self.remote.lock();
            let Some(flight) = state.flights.get_mut(&number) else { return };
            flight.withdrawn = true;
            flight.sequence
        };
        self.shout(Shout::Withdraw(self.remote.call_id(number))).await;
        if let Some(sequence) = sequence {
            // When it is gone, it has ended, or a node is about to say so.
            let (Ok(_) | Err(_)) = self.broker.calls.delete_message(sequence).await;
        }
        sleep(WITHDRAWAL).await;
        let state = self.remote.lock();
        let idle = state.flights.get(&number).is_some_and(|flight| !flight.is_begun());
        if idle {
            self.remote.end(state, number, JoinError::Cancelled);
        }
    }

    /// Takes in what a node says. Returns what to confirm, and to whom.
    async fn hear(self: &Rc<Self>, message: Message) -> Option<(Subject, u64)> {
        let (up, body) = unpack::<Up>(&message.payload).ok()?;
        let Up { node, number, news } = up;
        match news {
            News::Begun => {
                if self.remote.begun(number, &node) {
                    self.shout(Shout::Withdraw(self.remote.call_id(number))).await;
                }
                None
            }
            News::Refused(why) => {
                self.remote.refused(number, &node, &why);
                None
            }
            News::Again => {
                let verdict = pack(&self.remote.again(number), &[]);
                let (Ok(()) | Err(_)) = self.client.publish(message.reply?, verdict.into()).await;
                None
            }
            News::Done { report, stored: None } => {
                let had_argument = self.has_stored_argument(number);
                self.remote.done(number, report, body);
                if had_argument {
                    self.forget_argument(number);
                }
                message.reply.map(|reply| (reply, number))
            }
            News::Done { report, stored: Some(length) } => {
                let reply = message.reply?;
                drop(spawn_local(Rc::clone(self).fetch(number, node, report, length, reply)));
                None
            }
        }
    }

    /// Whether the argument of a call is in the store.
    fn has_stored_argument(&self, number: u64) -> bool {
        self.remote.lock().flights.get(&number).is_some_and(super::Flight::is_stored)
    }

    /// The argument of a call is not needed any more.
    fn forget_argument(self: &Rc<Self>, number: u64) {
        let (desk, name) = (Rc::clone(self), argument_name(self.remote.call_id(number)));
        drop(spawn_local(async move { desk.broker.forget(&name).await }));
    }

    /// Fetches a long result. When that fails the node says it again.
    async fn fetch(
        self: Rc<Self>,
        number: u64,
        node: String,
        report: super::super::wire::Report,
        length: u64,
        reply: Subject,
    ) {
        let name = result_name(self.remote.call_id(number), &node);
        let before = self
            .remote
            .lock()
            .flights
            .get_mut(&number)
            .map(|flight| std::mem::replace(&mut flight.fetching, true));
        match before {
            Some(false) => {}
            Some(true) => return,
            None => {
                self.broker.forget(&name).await;
                return self.confirm(reply, vec![number]).await;
            }
        }
        match self.broker.get(&name, length).await {
            Ok(body) => {
                let had_argument = self.has_stored_argument(number);
                self.remote.done(number, report, &body);
                self.confirm(reply, vec![number]).await;
                self.broker.forget(&name).await;
                if had_argument {
                    self.forget_argument(number);
                }
            }
            Err(_why) => {
                if let Some(flight) = self.remote.lock().flights.get_mut(&number) {
                    flight.fetching = false;
                }
            }
        }
    }

    /// Whether the pool is closed and every call has ended; ends those that may not go on.
    async fn has_ended(&self) -> bool {
        let online = self.client.connection_state() == Connection::Connected;
        let (closing, drained, offline) = {
            let mut state = self.remote.lock();
            let since = state.offline_since.filter(|_| !online);
            state.offline_since = since.or_else(|| (!online).then(Instant::now));
            let offline = state.offline_since.map(|since| since.elapsed());
            (state.closing, state.is_drained(), offline)
        };
        if offline.is_some_and(|offline| offline >= self.remote.cluster.offline_limit) {
            self.remote.end_all(&self.remote.offline());
        }
        match closing {
            Some(_) if drained => true,
            Some(Closing::Now { until }) if Instant::now() >= until => {
                let numbers: Vec<_> = self.remote.lock().flights.keys().copied().collect();
                for number in numbers {
                    self.shout(Shout::Kill(self.remote.call_id(number))).await;
                }
                let reason = "the pool was stopped while a node had it".to_owned();
                self.remote.end_all(&JoinError::NodeLost { reason });
                true
            }
            Some(_) | None => false,
        }
    }
}
