//! What the broker does without a pool: requests with their answers, and a work queue with two who work
//! at it. The floor that a pool of a cluster stands on, and not something one would ship: what is lost
//! with a process that dies stays lost.

use std::{
    collections::VecDeque,
    future::Future,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use async_nats::{
    Client,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
        stream::{Config, RetentionPolicy, Stream},
    },
};
use cluster::Cluster;
use futures_lite::{StreamExt as _, future};
use sampler::{Sample, Stopwatch, Tally};

use crate::{cluster_costs::Meter, cluster_costs::Payer, helper};

/// What contenders that use it are called.
pub(crate) const NAME: &str = "nats-jetstream";

/// Where requests go.
const ECHO: &str = "floor.echo";

/// Where calls go.
const CALLS: &str = "floor.calls";

/// Where results go.
const RESULTS: &str = "floor.results";

/// Calls that are under way at once, as with a pool.
const WINDOW: u64 = 1_024;

/// A helper that serves at a broker, and has said so; dropping it ends it.
struct Server(Child);

impl Server {
    /// Starts one with this role.
    fn start(role: &str, cluster: &Cluster) -> Self {
        let mut command = helper::command(role);
        let child = command.arg(cluster.url()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut server = Self(child.expect("a process can be started"));
        let said = server.0.stdout.take().expect("it is piped");
        BufReader::new(said).read_line(&mut String::new()).expect("it says so");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Runs a future on this thread.
fn run<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("descriptors are left").block_on(what)
}

/// A connection.
async fn connected(url: &str) -> Client {
    async_nats::connect(url).await.expect("the broker listens")
}

/// The bytes of a number.
fn bytes(x: u64) -> Vec<u8> {
    x.to_le_bytes().to_vec()
}

/// The number of these bytes.
fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a number has eight bytes"))
}

/// So many requests, one after the other.
pub(crate) fn requests(units: u64) -> Sample {
    let cluster = Cluster::start(&[]).unwrap_or_else(|why| panic!("{why}"));
    let _server = Server::start("nats-echo", &cluster);
    run(async {
        let client = connected(cluster.url()).await;
        let watch = Stopwatch::start();
        let mut found = Tally::default();
        for x in 0..units {
            let answer = client.request(ECHO, bytes(x).into()).await.expect("it is answered");
            found = found.plus([number(&answer.payload)].into_iter().collect());
        }
        Sample::new(units, watch.stop(), found, Tally::of_range(units))
    })
}

/// Answers each request with itself.
pub(crate) fn echo(url: &str) {
    run(async {
        let client = connected(url).await;
        let mut requests = client.subscribe(ECHO).await.expect("it is connected");
        client.flush().await.expect("it is connected");
        println!("here");
        while let Some(request) = requests.next().await {
            let back = request.reply.expect("requests say where");
            client.publish(back, request.payload).await.expect("it is connected");
        }
    });
}

/// So many calls through a work queue.
pub(crate) fn queue(units: u64) -> Sample {
    queue_paid_by(Payer::Client, units)
}

/// The same, with the processor time of one of those that take part.
pub(crate) fn queue_paid_by(payer: Payer, units: u64) -> Sample {
    let cluster = Cluster::start(&[]).unwrap_or_else(|why| panic!("{why}"));
    run(async {
        let client = connected(cluster.url()).await;
        opened(&client).await;
        let servers = [(); 2].map(|()| Server::start("nats-worker", &cluster));
        calls(&client, WINDOW).await;
        let pids = servers.iter().map(|Server(child)| child.id());
        let meter = Meter::start_beside(payer, &cluster, pids);
        let watch = Stopwatch::start();
        let found = calls(&client, units).await;
        meter.stop(Sample::new(units, watch.stop(), found, Tally::of_range(units)))
    })
}

/// The queue, made by whoever comes first.
async fn opened(client: &Client) -> Stream {
    let config = Config {
        name: "floor".into(),
        subjects: vec![CALLS.into()],
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    let stream = jetstream::new(client.clone()).get_or_create_stream(config).await;
    stream.expect("the broker has JetStream")
}

/// Has so many calls executed.
async fn calls(client: &Client, units: u64) -> Tally {
    let context = jetstream::new(client.clone());
    let mut results = client.subscribe(RESULTS).await.expect("it is connected");
    let (mut found, mut sent) = (Tally::default(), 0);
    // The library has so many answers of the broker outstanding at the most, and then waits.
    let mut stored = VecDeque::new();
    while found.count < units {
        while sent < units.min(found.count + WINDOW) {
            let publish = context.publish(CALLS, bytes(sent).into()).await;
            stored.push_back(publish.expect("it is connected"));
            sent += 1;
        }
        let Some(result) = results.next().await else { break };
        found = found.plus([number(&result.payload)].into_iter().collect());
        // Those that are here already cost no other wait.
        while found.count < units
            && let Some(Some(result)) = future::poll_once(results.next()).await
        {
            found = found.plus([number(&result.payload)].into_iter().collect());
        }
        while (stored.len() as u64) > sent - found.count {
            let stored = stored.pop_front().expect("there are some");
            stored.await.expect("the broker has stored it");
        }
    }
    found
}

/// Executes calls of the queue: each is answered with itself.
pub(crate) fn work(url: &str) {
    run(async {
        let client = connected(url).await;
        let config = pull::Config {
            durable_name: Some("workers".into()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(15),
            max_ack_pending: 50_000,
            ..pull::Config::default()
        };
        let consumer = opened(&client).await.get_or_create_consumer("workers", config).await;
        let consumer = consumer.expect("the broker has JetStream");
        let mut calls = consumer.messages().await.expect("it is connected");
        println!("here");
        while let Some(Ok(call)) = calls.next().await {
            client.publish(RESULTS, call.payload.clone()).await.expect("it is connected");
            call.ack().await.expect("it is connected");
        }
    });
}
