//! The thread of a node: asks for calls, has each looked after by a task, and listens to clients.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{AckKind, Message};
use async_nats::{Client, StatusCode, Subscriber};
use futures_lite::StreamExt;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::error::{JoinError, Side};
use crate::pool::Pool;

use super::super::broker::{Broker, argument_name, result_name};
use super::super::cluster::Cluster;
use super::super::task::{Named, Registry};
use super::super::wire::{
    CallHead, CallId, Confirm, Here, MAX_INLINE, News, Report, Shout, Up, VERSION, Verdict, pack,
    unpack,
};
use super::execute::{local_call, outcome};
use super::held::{Held, Inside, Shelf};

/// How often a node says that it is there.
const HERE_EVERY: Duration = Duration::from_secs(2);

/// How long a request for calls stays with the broker.
const REQUEST: Duration = Duration::from_secs(5);

/// How long to wait before something is tried again that a broker has refused.
const PAUSE: Duration = Duration::from_secs(1);

/// When a call is offered again whose function this node does not know.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// How long a client may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a result is kept before it is sent again.
const RESEND: Duration = Duration::from_secs(3);

/// How long the last results may take to arrive when a node stops, and the last messages to leave.
const FAREWELL: Duration = Duration::from_secs(10);

/// What the tasks of a node share.
pub(super) struct Desk {
    /// The connection.
    client: Client,
    /// Counts connections.
    connections: watch::Receiver<u64>,
    /// What is behind it.
    broker: Broker,
    /// Where the cluster is.
    cluster: Cluster,
    /// Executes the calls.
    pool: Pool,
    /// How many workers that has.
    slots: usize,
    /// Names this node, at random.
    id: u128,
    /// Names it to people: host and process.
    name: String,
    /// How long it may be silent about a call.
    lease: Duration,
    /// What it holds.
    shelf: Shelf,
    /// Told when there is room for calls.
    room: Notify,
    /// Tells it to stop.
    stop: Arc<Notify>,
    /// The functions that have names.
    registry: &'static Registry,
}

/// Connects.
pub(super) async fn open(
    cluster: Cluster,
    pool: Pool,
    slots: usize,
    stop: Arc<Notify>,
) -> io::Result<(Desk, ())> {
    let (count, connections) = watch::channel(0);
    let client = cluster.dial("node", Arc::new(count)).await?;
    let broker = Broker::open(&client, &cluster).await?;
    let lease = broker.consumer.cached_info().config.ack_wait;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let desk = Desk {
        client,
        connections,
        broker,
        cluster,
        pool,
        slots,
        id: crate::segment::random_id()?,
        name: format!("{host}/{}", std::process::id()),
        lease,
        shelf: Shelf::default(),
        room: Notify::new(),
        stop,
        registry: Registry::get().map_err(io::Error::other)?,
    };
    Ok((desk, ()))
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
    desk.stop.notified().await;
    fetching.abort();
    desk.say(0).await;
    let farewell = async {
        while !desk.shelf.is_empty() {
            desk.room.notified().await;
        }
    };
    // What does not arrive is executed by another node.
    let (Ok(()) | Err(_)) = timeout(FAREWELL, farewell).await;
    let (Ok(_) | Err(_)) = timeout(FAREWELL, desk.client.flush()).await;
    for task in listening {
        task.abort();
    }
}

/// Asks for calls while there is room.
async fn fetch(desk: Rc<Desk>) {
    loop {
        let room = desk.shelf.room(desk.slots);
        // Few at a time would cost a request each.
        let worth = desk.shelf.requested.get() == 0 || room > desk.shelf.requested.get();
        if room == 0 || !worth {
            desk.room.notified().await;
            continue;
        }
        let mut connections = desk.connections.clone();
        connections.mark_unchanged();
        let batch = desk.broker.consumer.batch().max_messages(room).expires(REQUEST).messages();
        let Ok(Ok(batch)) = timeout(REQUEST, batch).await else {
            let (Ok(_) | Err(_)) = Broker::open(&desk.client, &desk.cluster).await;
            sleep(PAUSE).await;
            continue;
        };
        desk.shelf.requested.set(desk.shelf.requested.get() + room);
        drop(spawn_local(Rc::clone(&desk).take_batch(batch, room, connections)));
    }
}

/// Takes in which results have arrived, and which clients are not there.
async fn take_confirmations(desk: Rc<Desk>, mut messages: Subscriber) {
    while let Some(message) = messages.next().await {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let client = message.subject.rsplit('.').next();
            let client = client.and_then(|hex| u128::from_str_radix(hex, 16).ok());
            if let Some(client) = client
                && desk.shelf.is_silent(client)
            {
                desk.shelf.give_up(client);
            }
            continue;
        }
        let Ok((Confirm { client, numbers }, _)) = unpack::<Confirm>(&message.payload) else {
            continue;
        };
        desk.shelf.is_there(client);
        for number in numbers {
            if let Some(held) = desk.shelf.find(CallId { client, number }) {
                held.confirmed.notify_one();
            }
        }
    }
}

/// Does what clients say to all nodes.
async fn obey(desk: Rc<Desk>, mut messages: Subscriber) {
    while let Some(message) = messages.next().await {
        let Ok((shout, _body)) = unpack::<Shout>(&message.payload) else { continue };
        match shout {
            Shout::Who => desk.say(desk.slots).await,
            Shout::Withdraw(id) => desk.withdraw(id, false),
            Shout::Kill(id) => desk.withdraw(id, true),
            Shout::Bye(client) => desk.shelf.is_leaving(client),
        }
    }
}

/// Says from time to time that the node is there.
async fn say_here(desk: Rc<Desk>) {
    let mut ticks = interval(HERE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        desk.say(desk.slots).await;
    }
}

/// Keeps the calls that are here from being given to other nodes.
async fn renew_leases(desk: Rc<Desk>) {
    let mut ticks = interval(desk.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for held in desk.shelf.all() {
            answer(&held, AckKind::Progress).await;
        }
    }
}

/// Answers the broker about a call that is here.
async fn answer(held: &Held, kind: AckKind) {
    let message = held.message.borrow().clone();
    reply(&message, kind).await;
}

/// Answers the broker about a message. What is lost of that, the lease makes good.
async fn reply(message: &Message, kind: AckKind) {
    let (Ok(()) | Err(_)) = message.ack_with(kind).await;
}

/// What is to become of a message.
enum Look {
    /// Execute it.
    Go(Box<CallHead>, Named),
    /// Nothing more.
    Drop,
    /// Nothing: it is executed already.
    Known,
    /// It is to be offered again after this time.
    Later(Duration),
    /// It is to be kept for people, with the reason.
    Bury(String),
}

impl Desk {
    /// Takes in the calls that were asked for, so many at most.
    async fn take_batch(
        self: Rc<Self>,
        mut batch: pull::Batch,
        room: usize,
        mut connections: watch::Receiver<u64>,
    ) {
        let (mut left, mut failed) = (room, false);
        while left > 0 {
            let next = tokio::select! {
                next = timeout(2 * REQUEST, batch.next()) => next,
                // The broker may know nothing of the request any more.
                _changed = connections.changed() => break,
            };
            match next {
                Ok(Some(Ok(message))) => {
                    left -= 1;
                    self.shelf.requested.set(self.shelf.requested.get() - 1);
                    drop(spawn_local(Rc::clone(&self).look_after(message)));
                }
                Ok(Some(Err(_why))) => {
                    failed = true;
                    break;
                }
                Ok(None) | Err(_) => break,
            }
        }
        if failed {
            // Perhaps the broker has lost the stream or the consumer.
            let (Ok(_) | Err(_)) = Broker::open(&self.client, &self.cluster).await;
            sleep(PAUSE).await;
        }
        self.shelf.requested.set(self.shelf.requested.get() - left);
        self.room.notify_one();
    }

    /// Says how many workers this node has.
    async fn say(&self, slots: usize) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let here = pack(&Here { node: self.name.clone(), slots }, &[]);
        let (Ok(()) | Err(_)) = self.client.publish(self.broker.names.here(), here.into()).await;
    }

    /// Says something about a call to its client.
    async fn tell(&self, id: CallId, news: News) {
        let up = pack(&Up { node: self.name.clone(), number: id.number, news }, &[]);
        let client = self.broker.names.client(id.client);
        let (Ok(()) | Err(_)) = self.client.publish(client, up.into()).await;
    }

    /// A client does not want a call to begin, or to go on.
    fn withdraw(&self, id: CallId, kill: bool) {
        self.shelf.withdraw(id);
        let Some(held) = self.shelf.find(id) else { return };
        match &*held.inside.borrow() {
            Some(Inside::One(ticket)) => {
                let engine = self.pool.engine();
                let _ended = engine.cancel(ticket) || kill && engine.kill(ticket);
            }
            Some(Inside::Items(harvest)) => {
                self.pool.engine().abandon(harvest);
                held.abandoned.notify_one();
            }
            None => {}
        }
    }

    /// Looks after a message until it is acknowledged or given back.
    async fn look_after(self: Rc<Self>, message: Message) {
        let (call, named, body) = match self.look(&message).await {
            Look::Go(head, named) => {
                let body = unpack::<CallHead>(&message.payload).map_or(&[][..], |(_, body)| body);
                (head, named, body.to_vec())
            }
            Look::Drop => return self.finish_message(&message, AckKind::Term).await,
            Look::Known => return self.finish_message(&message, AckKind::Progress).await,
            Look::Later(pause) => {
                return self.finish_message(&message, AckKind::Nak(Some(pause))).await;
            }
            Look::Bury(why) => {
                self.bury(&message, &why).await;
                return self.finish_message(&message, AckKind::Term).await;
            }
        };
        let Some(held) = self.shelf.take(call.id, message) else { return };
        self.shelf.busy.set(self.shelf.busy.get() + 1);
        let begun = Instant::now();
        let result = self.execute(&held, &call, named, body).await;
        self.shelf.learn(begun.elapsed(), self.shelf.busy.get(), self.slots);
        self.shelf.busy.set(self.shelf.busy.get() - 1);
        self.room.notify_one();
        match result {
            Some((report, body)) => {
                self.deliver(&held, call.id, report, body).await;
                answer(&held, AckKind::Ack).await;
            }
            None => answer(&held, AckKind::Nak(Some(PAUSE))).await,
        }
        self.shelf.drop_call(call.id);
        self.room.notify_one();
    }

    /// Answers the broker about a message that is not executed here.
    async fn finish_message(&self, message: &Message, kind: AckKind) {
        reply(message, kind).await;
        self.room.notify_one();
    }

    /// Decides what is to become of a message.
    async fn look(&self, message: &Message) -> Look {
        let head = match unpack::<CallHead>(&message.payload) {
            Ok((head, _body)) if head.version == VERSION => head,
            Ok((head, _body)) => return Look::Bury(format!("it has version {}", head.version)),
            Err(why) => return Look::Bury(format!("it is malformed: {why}")),
        };
        if self.shelf.find(head.id).is_some() {
            // It was delivered again because word of it came late: the new message is the one to answer.
            let _known = self.shelf.take(head.id, message.clone());
            return Look::Known;
        }
        if self.shelf.is_withdrawn(head.id) || self.shelf.is_gone(head.id.client) {
            return Look::Drop;
        }
        if message.info().is_ok_and(|info| info.delivered > 1) {
            match self.ask(head.id).await {
                Ok(Verdict::Go) => {}
                Ok(Verdict::Drop) => return Look::Drop,
                Ok(Verdict::Poison) => return Look::Bury("it has lost its nodes".to_owned()),
                Err(look) => return look,
            }
        } else if self.shelf.is_quiet(head.id.client) {
            // Perhaps it is gone. When the call is delivered again, the client is asked.
            return Look::Later(2 * PAUSE);
        }
        match self.registry.by_name(&head.name) {
            Some(named) if named.schema == head.schema => Look::Go(Box::new(head), named),
            known => {
                let what = if known.is_some() { "has other types here" } else { "is not known" };
                let why = format!("the function {} {what}", head.name);
                self.tell(head.id, News::Refused(why)).await;
                Look::Later(REFUSED_FOR)
            }
        }
    }

    /// Asks the client what is to become of a call that was delivered before.
    async fn ask(&self, id: CallId) -> Result<Verdict, Look> {
        let up = Up { node: self.name.clone(), number: id.number, news: News::Again };
        let asked = self.client.request(self.broker.names.client(id.client), pack(&up, &[]).into());
        match timeout(ANSWER, asked).await {
            Ok(Ok(answer)) => {
                self.shelf.is_there(id.client);
                let verdict = unpack::<Verdict>(&answer.payload);
                verdict.map(|(verdict, _)| verdict).map_err(|_| Look::Later(PAUSE))
            }
            Ok(Err(error))
                if error.kind() == RequestErrorKind::NoResponders
                    && self.shelf.is_silent(id.client) =>
            {
                Err(Look::Drop)
            }
            Ok(Err(_)) | Err(_) => Err(Look::Later(2 * PAUSE)),
        }
    }

    /// Keeps a message for people.
    async fn bury(&self, message: &Message, why: &str) {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Reason", why);
        headers.insert("Node", self.name.as_str());
        let (subject, payload) = (self.broker.names.dead(), message.payload.clone());
        let kept = self.broker.jetstream.publish_with_headers(subject, headers, payload).await;
        if let Ok(kept) = kept {
            let (Ok(_) | Err(_)) = kept.await;
        }
    }

    /// Executes a call. None: it is to be offered again.
    async fn execute(
        &self,
        held: &Held,
        call: &CallHead,
        named: Named,
        mut body: Vec<u8>,
    ) -> Option<(Report, Vec<u8>)> {
        if let Some(length) = call.stored {
            let limit = self.cluster.max_payload;
            if usize::try_from(length).map_or(true, |length| length > limit) {
                let size = usize::try_from(length).unwrap_or(usize::MAX);
                return Some(failed(JoinError::TooLarge { side: Side::Worker, size, limit }));
            }
            body = self.broker.get(&argument_name(call.id), length).await.ok()?;
        }
        self.tell(call.id, News::Begun).await;
        if self.shelf.is_withdrawn(call.id) {
            return Some(failed(JoinError::Cancelled));
        }
        let engine = self.pool.engine();
        let (local, inside) = match local_call(&**engine, call, named, body) {
            Ok(both) => both,
            Err(error) => return Some(failed(error)),
        };
        *held.inside.borrow_mut() = Some(inside.clone());
        engine.submit(local);
        tokio::select! {
            done = outcome(&inside, call.items.unwrap_or(1)) => Some(done),
            () = held.abandoned.notified() => Some(failed(JoinError::Cancelled)),
        }
    }

    /// Sends a result until the client has it, or is gone.
    async fn deliver(&self, held: &Held, id: CallId, report: Report, mut body: Vec<u8>) {
        let mut stored = None;
        while body.len() > MAX_INLINE {
            if self.broker.put(&result_name(id, &self.name), &body).await.is_ok() {
                stored = Some(body.len() as u64);
                body = Vec::new();
            } else if timeout(PAUSE, held.confirmed.notified()).await.is_ok() {
                return;
            }
        }
        let news = News::Done { report, stored };
        let up = Up { node: self.name.clone(), number: id.number, news };
        let message = pack(&up, &body);
        let client = self.broker.names.client(id.client);
        let back = self.broker.names.node(self.id, id.client);
        loop {
            let sent = self.client.publish_with_reply(
                client.clone(),
                back.clone(),
                message.clone().into(),
            );
            let (Ok(()) | Err(_)) = sent.await;
            if timeout(RESEND, held.confirmed.notified()).await.is_ok() {
                return;
            }
        }
    }
}

/// The report of a call that has failed like this.
fn failed(error: JoinError) -> (Report, Vec<u8>) {
    (Report::One(Err(error)), Vec::new())
}
