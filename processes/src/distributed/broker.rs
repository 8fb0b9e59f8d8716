//! What the brokers hold: streams, a consumer, a store.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Subject};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::store::Store;

/// How long a broker remembers the ids of calls.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// The most calls that wait in the stream, of all clients.
const MAX_CALLS: i64 = 1_000_000;

/// The most calls that all nodes hold together.
const MAX_HELD: i64 = 50_000;

/// Poison calls that are kept, for whom it may interest.
const MAX_DEAD: i64 = 10_000;

/// Of the bytes that calls take at most, those take this part at most; the oldest go first.
const DEAD_PART: i64 = 4;

/// How long those are kept, and objects that nobody fetched.
pub(super) const KEPT: Duration = Duration::from_hours(24);

/// The last part of the name of the store.
const BODIES: &str = "bodies";

/// How long brokers may take to agree who leads them, when they have just started or lost one.
const ELECTION: Duration = Duration::from_secs(15);

/// How long to wait before they are asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// The names of everything.
#[derive(Clone, Debug)]
pub(super) struct Names(String);

impl Names {
    /// Those of a cluster.
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self(cluster.namespace.clone())
    }

    /// Calls.
    pub(super) fn call(&self) -> String {
        format!("{}.call", self.0)
    }

    /// Poison.
    pub(super) fn dead(&self) -> String {
        format!("{}.dead", self.0)
    }

    /// To a client.
    pub(super) fn client(&self, client: u128) -> String {
        format!("{}.client.{client:032x}", self.0)
    }

    /// To a node, from that client.
    pub(super) fn node(&self, node: u128, client: u128) -> String {
        format!("{}.node.{node:032x}.{client:032x}", self.0)
    }

    /// To a node, from whomever.
    pub(super) fn node_all(&self, node: u128) -> String {
        format!("{}.node.{node:032x}.*", self.0)
    }

    /// To all nodes.
    pub(super) fn nodes(&self) -> String {
        format!("{}.nodes", self.0)
    }

    /// To nobody.
    fn nobody(&self) -> String {
        format!("{}.nobody", self.0)
    }

    /// To all clients.
    pub(super) fn here(&self) -> String {
        format!("{}.here", self.0)
    }

    /// A stream.
    fn stream(&self, what: &str) -> String {
        format!("{}-{what}", self.0)
    }
}

/// What the brokers hold, made by whoever comes first.
#[derive(Clone)]
pub(super) struct Broker {
    /// How to speak of it.
    pub(super) jetstream: Context,
    /// The names.
    pub(super) names: Rc<Names>,
    /// That of calls, which is said often.
    pub(super) call: Subject,
    /// Calls that no node has finished.
    pub(super) calls: Stream,
    /// What all nodes take them from.
    pub(super) consumer: PullConsumer,
    /// Long bodies.
    pub(super) store: Store,
}

impl Broker {
    /// Finds all that, or makes it; waits while brokers have not agreed who leads them.
    ///
    /// # Errors
    /// `NotConnected`: as [`open`](Self::open), or they have not agreed for too long.
    pub(super) async fn open_soon(client: &Client, cluster: &Cluster) -> io::Result<Self> {
        let begun = Instant::now();
        loop {
            match Self::open(client, cluster).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    if begun.elapsed() >= ELECTION {
                        let kind = io::ErrorKind::NotConnected;
                        return Err(io::Error::new(kind, error.to_string()));
                    }
                    sleep(PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    /// Finds all that, or makes it.
    ///
    /// # Errors
    /// - `NotConnected`: the broker has no JetStream, or no room.
    /// - `TimedOut`: nobody has answered, there are too few brokers, or somebody else is making the same,
    ///   which may pass.
    pub(super) async fn open(client: &Client, cluster: &Cluster) -> io::Result<Self> {
        let names = Names::of(cluster);
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        let reserve = i64::try_from(cluster.reserve).unwrap_or(i64::MAX);
        let calls = Config {
            name: names.stream("calls"),
            subjects: vec![names.call()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: MAX_CALLS,
            max_bytes: reserve,
            duplicate_window: DUPLICATE_WINDOW,
            num_replicas: cluster.replicas,
            ..Config::default()
        };
        let dead = Config {
            name: names.stream("dead"),
            subjects: vec![names.dead()],
            max_messages: MAX_DEAD,
            max_bytes: reserve / DEAD_PART,
            max_age: KEPT,
            num_replicas: cluster.replicas,
            ..Config::default()
        };
        let nodes = pull::Config {
            durable_name: Some("nodes".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: cluster.lease,
            max_ack_pending: MAX_HELD,
            ..pull::Config::default()
        };
        let no = |what: &str, passes: bool, error: &dyn std::fmt::Display| {
            let message = format!("{what} at {}: {error}", cluster.place());
            let kind = if passes { io::ErrorKind::TimedOut } else { io::ErrorKind::NotConnected };
            io::Error::new(kind, message)
        };
        let not_made = |what: &str, passes: bool, error: &CreateStreamError| {
            if !has_no_room(error) {
                return no(what, passes, error);
            }
            let why = format!("{error}; it is to hold {reserve} bytes, see `Cluster::reserve`");
            no(what, false, &why)
        };
        let calls = jetstream.get_or_create_stream(calls).await;
        let calls =
            calls.map_err(|error| not_made("open the stream of calls", passes(&error), &error))?;
        // There is a stream; what has to do with it follows when those have agreed that have it.
        let consumer = calls.get_or_create_consumer("nodes", nodes).await;
        let consumer = consumer.map_err(|error| no("open the consumer of nodes", true, &error))?;
        let dead = jetstream.get_or_create_stream(dead).await;
        dead.map_err(|error| not_made("open the stream of poison calls", true, &error))?;
        let store = Store::open(&jetstream, names.stream(BODIES), cluster.replicas).await;
        let store = store.map_err(|error| no("open the object store", true, &error))?;
        let call = Subject::from(names.call());
        Ok(Self { jetstream, names: Rc::new(names), call, calls, consumer, store })
    }

    /// Makes again what brokers have lost, with the lease that it had: others go on with that, whatever the one
    /// who makes it would have chosen.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn open_again(&self, client: &Client, cluster: &Cluster) -> io::Result<()> {
        Self::open(client, &cluster.clone().lease(self.lease())).await.map(|_same| ())
    }

    /// Waits until the broker has taken in what was said before on this connection.
    ///
    /// That it was written is not enough before the connection is closed: when the broker has sent what
    /// was not read here, closing resets the connection, and the broker may find that out when it
    /// sends more. It then reads no further, and what lay there is lost.
    pub(super) async fn has_read(&self, client: &Client) {
        // Nobody listens to this subject, and so the broker answers, when its turn comes.
        let (Ok(_) | Err(_)) = client.request(self.names.nobody(), "".into()).await;
    }

    /// How long a node may say nothing about a call.
    pub(super) fn lease(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
    }
}

/// Whether a stream may be made somewhat later.
fn passes(error: &CreateStreamError) -> bool {
    match error.kind() {
        CreateStreamErrorKind::TimedOut => true,
        CreateStreamErrorKind::JetStream(error) => matches!(
            error.kind(),
            ErrorCode::CLUSTER_NOT_AVAILABLE
                | ErrorCode::CLUSTER_NO_PEERS
                | ErrorCode::CLUSTER_INCOMPLETE
                | ErrorCode::CLUSTER_NOT_LEADER
                // Somebody else is making the same one at this moment.
                | ErrorCode::STREAM_SUBJECT_OVERLAP
                | ErrorCode::STREAM_NAME_EXIST
        ),
        _ => false,
    }
}

/// Whether the broker has not so many bytes left as the stream is to hold.
fn has_no_room(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error) if matches!(
        error.error_code(),
        ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
    ))
}

/// The name of the argument of a call in the store.
pub(super) fn argument_name(id: super::wire::CallId) -> String {
    format!("{id}.argument")
}

/// The name of a result of a call in the store, by the node that has it.
pub(super) fn result_name(id: super::wire::CallId, node: &str) -> String {
    format!("{id}.result.{node}")
}
