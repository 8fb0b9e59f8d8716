//! What a task takes that does nothing, and what a connection takes.

use std::{
    fs,
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    loops::{Evented, Loop, Recorded, Smol, Tokio, TokioLocal},
    round_trip::{MANY, settle},
    sockets::{self, Sockets, most_pairs, pairs},
};

/// Idle tasks. Slabs grow in steps; this is the middle of one of ours.
const TASKS: u64 = 100_000;

/// How many messages each active connection gets.
const MESSAGES: u64 = 20;

/// The metrics.
pub(crate) fn metrics() -> [Metric; 2] {
    let task = Metric {
        name: "memory.task".into(),
        about: "Resident memory of a task that waits for ever and holds nothing.".into(),
        unit: "task",
        cost: Cost::Bytes,
        amount: Amount::Fixed { units: TASKS, smoke: TASKS / 100 },
        named_only: false,
        baseline: None,
        ours: tasks::<Evented>(),
        peers: vec![
            tasks::<Tokio>().peer().required(Goal::RatioAtMost(0.5)),
            tasks::<TokioLocal>()
                .peer()
                .required(Goal::RatioAtMost(0.5))
                .stretch(Goal::BytesAtMost(128.0)),
            tasks::<Smol>().peer(),
            tasks::<Recorded>().peer(),
        ],
    };
    let units = most_pairs(MANY);
    let connection = Metric {
        name: "memory.connection".into(),
        about: "Resident memory of a connection and the task that waits for data, while one in a \
                hundred gets some and answers."
            .into(),
        unit: "connection",
        cost: Cost::Bytes,
        amount: Amount::Fixed { units, smoke: units.min(200) },
        named_only: false,
        baseline: None,
        ours: connections::<Evented>(),
        peers: vec![
            connections::<Tokio>().peer().required(Goal::RatioAtMost(0.5)),
            connections::<TokioLocal>()
                .peer()
                .required(Goal::RatioAtMost(0.5))
                .stretch(Goal::BytesAtMost(320.0)),
            connections::<Smol>().peer(),
            connections::<Recorded>().peer(),
        ],
    };
    [task, connection]
}

/// The resident memory of this process in bytes.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("proc is mounted");
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the kernel writes numbers") * rustix::param::page_size() as u64
}

/// So many tasks that have been polled once.
fn tasks<L: Loop>() -> Contender {
    Contender::new(L::NAME, |units| {
        L::run(async move {
            let begun = Arc::new(AtomicU64::new(0));
            let watch = Stopwatch::start();
            let before = resident();
            for _ in 0..units {
                let begun = Arc::clone(&begun);
                L::detach(L::spawn(async move {
                    begun.fetch_add(1, Ordering::Relaxed);
                    drop(begun);
                    pending::<()>().await;
                }));
            }
            while begun.load(Ordering::Relaxed) < units {
                L::sleep(std::time::Duration::from_millis(1)).await;
            }
            let bytes = resident().saturating_sub(before);
            let found = Tally::of_count(begun.load(Ordering::Relaxed));
            Sample::new(units, watch.stop(), found, Tally::of_count(units)).with_bytes(bytes)
        })
    })
}

/// So many connections, a hundredth of them active.
fn connections<L: Sockets>() -> Contender {
    Contender::new(L::NAME, |units| {
        let (near, far): (Vec<_>, Vec<_>) = pairs(units).into_iter().unzip();
        L::run(async move {
            let begun = Arc::new(AtomicU64::new(0));
            let watch = Stopwatch::start();
            let before = resident();
            for socket in far {
                L::detach(L::spawn(answer::<L>(L::stream(socket), Arc::clone(&begun))));
            }
            while begun.load(Ordering::Relaxed) < units {
                L::sleep(std::time::Duration::from_millis(1)).await;
            }
            let active = near.iter().step_by(100);
            let mut right = 0;
            for socket in active.clone() {
                right += exchange::<L>(socket).await;
            }
            settle::<L>().await;
            let bytes = resident().saturating_sub(before);
            // All are counted if those answered that were asked.
            let all = active.count() as u64 * MESSAGES == right;
            let found = Tally::of_count(if all { begun.load(Ordering::Relaxed) } else { right });
            Sample::new(units, watch.stop(), found, Tally::of_count(units)).with_bytes(bytes)
        })
    })
}

/// Sends back each byte; its buffer lives for a poll only.
async fn answer<L: Sockets>(mut stream: L::Stream, begun: Arc<AtomicU64>) {
    begun.fetch_add(1, Ordering::Relaxed);
    drop(begun);
    loop {
        let read = poll_fn(|cx| {
            let mut byte = [0; 1];
            L::poll_read(&mut stream, cx, &mut byte).map_ok(|read| (read == 1).then_some(byte))
        });
        let Ok(Some(byte)) = read.await else { return };
        sockets::write_all::<L>(&mut stream, &byte).await.expect("the other end reads");
    }
}

/// Sends bytes over a socket that is not the loop's, and lets the loop run until each has come back;
/// gives how many have.
async fn exchange<L: Sockets>(mut socket: &std::os::unix::net::UnixStream) -> u64 {
    use std::io::{Read, Write};
    let mut right = 0;
    for number in 0..MESSAGES {
        let sent = [u8::try_from(number).expect("they are few")];
        socket.write_all(&sent).expect("there is room");
        let mut got = [0xFF];
        while socket.read(&mut got).is_err() {
            L::sleep(std::time::Duration::from_micros(100)).await;
        }
        right += u64::from(got == sent);
    }
    right
}
