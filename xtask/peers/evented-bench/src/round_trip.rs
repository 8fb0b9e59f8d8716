//! Messages that go there and come back, both ends on the same loop.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    epoll::Raw,
    loops::{Evented, Recorded, Smol, Tokio, TokioLocal},
    sockets::{self, Sockets, most_pairs, pairs},
};

/// What is sent.
const MESSAGE: [u8; 64] = [7; 64];

/// Pairs of the metric in which most of them are idle.
pub(crate) const MANY: u64 = 9_000;

/// How many pairs there are, and how many of them exchange messages.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// All.
    pairs: u64,
    /// Those that are not idle.
    active: u64,
}

/// The metrics.
pub(crate) fn metrics() -> Vec<Metric> {
    let busy = [1, 64, 1_000].map(|pairs| {
        let about = format!(
            "A message of 64 bytes there and back between the ends of a socket pair, {pairs} of \
             them at the same time, both ends on one loop."
        );
        metric(&format!("round-trip.{pairs}"), about, Crowd { pairs, active: pairs })
    });
    let many = most_pairs(MANY);
    let crowd = Crowd { pairs: many, active: (many / 100).max(1) };
    let about =
        format!("The same, of {} pairs among {many} of which the others are idle.", crowd.active);
    let mut metrics = Vec::from(busy);
    metrics.push(metric("round-trip.idle", about, crowd));
    metrics
}

/// A metric.
fn metric(name: &str, about: String, crowd: Crowd) -> Metric {
    let half = |contender: Contender| contender.peer().required(Goal::RatioAtMost(0.5));
    Metric {
        name: name.into(),
        about,
        unit: "round trip",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: crowd.active * 20, step: crowd.active },
        named_only: false,
        baseline: Some(raw(crowd)),
        ours: contender::<Evented>(crowd),
        peers: vec![
            half(contender::<Tokio>(crowd)),
            half(contender::<TokioLocal>(crowd)),
            contender::<Smol>(crowd).peer(),
            contender::<Recorded>(crowd).peer(),
        ],
    }
}

/// No runtime at all.
fn raw(crowd: Crowd) -> Contender {
    Contender::new("raw-epoll", move |units| {
        let raw = Raw::new(pairs(crowd.pairs));
        let active = usize::try_from(crowd.active).expect("they are descriptors");
        let watch = Stopwatch::start();
        let done = raw.round_trips(active, units / crowd.active, &MESSAGE);
        Sample::new(units, watch.stop(), Tally::of_count(done), Tally::of_count(units))
    })
}

/// A task for each end.
fn contender<L: Sockets>(crowd: Crowd) -> Contender {
    Contender::new(L::NAME, move |units| {
        let pairs = pairs(crowd.pairs);
        L::run(async move {
            let each = units / crowd.active;
            let mut clients = Vec::new();
            for (near, far) in pairs {
                let (near, far) = (L::stream(near), L::stream(far));
                L::detach(L::spawn(serve::<L>(far)));
                clients.push(near);
            }
            let active = usize::try_from(crowd.active).expect("they are descriptors");
            let idle = clients.split_off(active);
            for stream in idle {
                L::detach(L::spawn(serve::<L>(stream)));
            }
            settle::<L>().await;
            // Once before: some loops put a socket into the poll set when they first have to wait for it.
            let (clients, answered) = ask_all::<L>(clients, 1).await;
            assert_eq!(answered, crowd.active, "every message comes back");
            let watch = Stopwatch::start();
            let (_clients, done) = ask_all::<L>(clients, each).await;
            let times = watch.stop();
            Sample::new(units, times, Tally::of_count(done), Tally::of_count(units))
        })
    })
}

/// Lets the tasks that were spawned before come to rest: waiting for data.
pub(crate) async fn settle<L: Sockets>() {
    for _ in 0..3 {
        L::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Sends back what comes until the other end is gone.
pub(crate) async fn serve<L: Sockets>(mut stream: L::Stream) {
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = sockets::read::<L>(&mut stream, &mut buffer).await {
        sockets::write_all::<L>(&mut stream, &buffer[..read]).await.expect("the other end reads");
    }
}

/// Asks over each stream, all at the same time; gives the streams back, and how many messages came back
/// as they were.
async fn ask_all<L: Sockets>(streams: Vec<L::Stream>, times: u64) -> (Vec<L::Stream>, u64) {
    let tasks: Vec<_> =
        streams.into_iter().map(|stream| L::spawn(ask::<L>(stream, times))).collect();
    let (mut streams, mut right) = (Vec::new(), 0);
    for task in tasks {
        let (stream, count) = task.await;
        streams.push(stream);
        right += count;
    }
    (streams, right)
}

/// Sends a message and waits for it, so often; gives the stream back, and how many came back as they were.
async fn ask<L: Sockets>(mut stream: L::Stream, times: u64) -> (L::Stream, u64) {
    let mut buffer = [0; 512];
    let mut right = 0;
    for _ in 0..times {
        sockets::write_all::<L>(&mut stream, &MESSAGE).await.expect("the other end reads");
        let read = sockets::read::<L>(&mut stream, &mut buffer).await.expect("it answers");
        right += u64::from(buffer[..read] == MESSAGE);
    }
    (stream, right)
}
