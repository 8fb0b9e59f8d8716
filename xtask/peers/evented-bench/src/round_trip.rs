//! Messages that go there and come back, both ends on the same loop.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    clock::spin,
    epoll::Raw,
    loops::{Evented, Recorded, Smol, Tokio, TokioLocal},
    sockets::{self, Pair, Sockets, lasting_pairs, most_pairs, pairs},
};

/// What is sent.
const MESSAGE: [u8; 64] = [7; 64];

/// What is sent last.
const FAREWELL: [u8; 1] = [0];

/// Slices of each contender in a round, beside each peer.
const SLICES: u64 = 24;

/// How long the contenders of the metric run idle whose results are known.
const SPUN_NS: u64 = 300;

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

impl Crowd {
    /// The pairs. Those of which all are active last, as there may be descriptors of them twice.
    fn pairs(self) -> Vec<Pair> {
        if self.active == self.pairs { lasting_pairs(self.pairs) } else { pairs(self.pairs) }
    }

    /// How many pairs are active.
    fn active(self) -> usize {
        usize::try_from(self.active).expect("they are descriptors")
    }

    /// How much a sample has. Differences of some hundred nanoseconds between what takes microseconds are
    /// told in slices; a crowd that is mostly idle takes too long to begin for that.
    fn amount(self) -> Amount {
        let (first, step) = (self.active * 20, self.active);
        if self.active == self.pairs {
            Amount::Sliced { first, step, slices: SLICES }
        } else {
            Amount::Calibrated { first, step }
        }
    }
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
    metrics.push(truth());
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
        amount: crowd.amount(),
        named_only: false,
        baseline: Some(raw("raw-epoll", crowd, || {})),
        ours: contender::<Evented>(crowd),
        peers: vec![
            half(contender::<Tokio>(crowd)),
            half(contender::<TokioLocal>(crowd)),
            contender::<Smol>(crowd).peer(),
            contender::<Recorded>(crowd).peer(),
        ],
    }
}

/// A metric whose results are known, to see what the others are worth.
fn truth() -> Metric {
    let crowd = Crowd { pairs: 1_000, active: 1_000 };
    Metric {
        name: "round-trip.truth".into(),
        about: format!(
            "No runtime at all, {} pairs, and {SPUN_NS} ns of idle running for each message, beside twice as \
             much (half of it) and none (as the baseline): what the measure finds where the truth is known, \
             as long as no neighbour slows the running down.",
            crowd.pairs
        ),
        unit: "round trip",
        cost: Cost::Cpu,
        amount: crowd.amount(),
        named_only: true,
        baseline: Some(raw("raw-epoll", crowd, || {})),
        ours: raw("raw-spun", crowd, || spin(SPUN_NS)),
        peers: vec![
            raw("raw-spun-twice", crowd, || spin(2 * SPUN_NS)).peer(),
            raw("raw-again", crowd, || {}).peer(),
        ],
    }
}

/// No runtime at all, and something done for each message besides.
fn raw(name: &'static str, crowd: Crowd, besides: impl Fn() + Copy + 'static) -> Contender {
    Contender::new(name, move |units| {
        let raw = Raw::new(crowd.pairs(), besides);
        // As the others.
        let answered = raw.round_trips(crowd.active(), 1, &MESSAGE);
        assert_eq!(answered, crowd.active, "every message comes back");
        let watch = Stopwatch::start();
        let done = raw.round_trips(crowd.active(), units / crowd.active, &MESSAGE);
        Sample::new(units, watch.stop(), Tally::of_count(done), Tally::of_count(units))
    })
}

/// A task for each end.
fn contender<L: Sockets>(crowd: Crowd) -> Contender {
    Contender::new(L::NAME, move |units| {
        let pairs = crowd.pairs();
        L::run(async move {
            let each = units / crowd.active;
            let (mut clients, mut servers) = (Vec::new(), Vec::new());
            for (near, far) in pairs {
                let (near, far) = (L::stream(near), L::stream(far));
                servers.push(L::spawn(serve::<L>(far)));
                clients.push(near);
            }
            let idle = clients.split_off(crowd.active());
            let is_any_idle = !idle.is_empty();
            for stream in idle {
                L::detach(L::spawn(serve::<L>(stream)));
            }
            for server in servers.split_off(crowd.active()) {
                L::detach(server);
            }
            if is_any_idle {
                settle::<L>().await;
            }
            // Once before: some loops put a socket into the poll set when they first have to wait for it.
            let (clients, answered) = ask_all::<L>(clients, 1).await;
            assert_eq!(answered, crowd.active, "every message comes back");
            let watch = Stopwatch::start();
            let (clients, done) = ask_all::<L>(clients, each).await;
            let times = watch.stop();
            part::<L>(clients, servers).await;
            Sample::new(units, times, Tally::of_count(done), Tally::of_count(units))
        })
    })
}

/// Ends the tasks at the far ends, so that nothing waits for what comes over the same sockets later.
async fn part<L: Sockets>(clients: Vec<L::Stream>, servers: Vec<L::Task<()>>) {
    for mut client in clients {
        sockets::write_all::<L>(&mut client, &FAREWELL).await.expect("the other end reads");
    }
    for server in servers {
        server.await;
    }
}

/// Lets the tasks that were spawned before come to rest: waiting for data.
pub(crate) async fn settle<L: Sockets>() {
    for _ in 0..3 {
        L::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Sends back what comes until the other end is gone, or says farewell.
pub(crate) async fn serve<L: Sockets>(mut stream: L::Stream) {
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = sockets::read::<L>(&mut stream, &mut buffer).await {
        if buffer[..read] == FAREWELL {
            return;
        }
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
