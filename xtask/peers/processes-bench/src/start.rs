//! A process for one call.

use std::hint::black_box;

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{executor::same, helper, python, stream};

/// What ours is called where the parent is large, and where it is not.
const OURS: [&str; 2] = ["processes", "small-parent"];

/// The most that a start is to take, in nanoseconds.
const LIMIT: f64 = 2e6;

/// A metric with a parent as it is, and one with a parent of 1 GiB.
pub(crate) fn metrics(workers: usize) -> [Metric; 2] {
    let large = ours(OURS[0], Ballast::Gibibyte);
    let small = ours(OURS[1], Ballast::None).peer();
    // Their times differ by as much as those of any two processes.
    let small = small.required(Goal::RatioAtMost(1.5)).stretch(Goal::RatioAtMost(1.1));
    [
        metric("worker.start", "", ours(OURS[0], Ballast::None), Ballast::None, workers, vec![]),
        metric(
            "worker.start-1gib",
            ", from a parent that uses 1 GiB of memory",
            large,
            Ballast::Gibibyte,
            workers,
            vec![small],
        ),
    ]
}

/// A metric, with the peers that both have and these.
fn metric(
    name: &str,
    how: &str,
    ours: Contender,
    ballast: Ballast,
    workers: usize,
    mut peers: Vec<sampler::Peer>,
) -> Metric {
    let command = command(ballast).peer();
    peers.push(command.required(Goal::CostAtMost(2.0 * LIMIT)).stretch(Goal::CostAtMost(LIMIT)));
    peers.push(stream(ballast).peer());
    peers.push(procspawn(ballast).peer());
    let python = ["py-process-fork", "py-process-spawn"];
    peers.extend(python.map(|contender| python::contender(name, contender, workers).peer()));
    Metric {
        name: name.into(),
        about: format!(
            "A process that is started{how}, makes one call, sends its result, and is waited for. \
             std-command starts and ends a program that does nothing."
        ),
        unit: "process",
        cost: Cost::Wall,
        amount: Amount::calibrated(4),
        named_only: false,
        baseline: None,
        ours,
        peers,
    }
}

/// What the parent has in memory.
#[derive(Clone, Copy, Debug)]
enum Ballast {
    /// What it needs.
    None,
    /// So much more.
    Gibibyte,
}

impl Ballast {
    /// Takes the memory, and uses every page of it.
    fn take(self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Gibibyte => vec![7; 1 << 30],
        }
    }
}

/// `processes::spawn`.
fn ours(name: &'static str, ballast: Ballast) -> Contender {
    Contender::new(name, move |units| {
        sample(units, ballast, |x| {
            let call = processes::spawn(same, x).expect("a process can be started");
            call.join().expect("the call does not fail")
        })
    })
}

/// `procspawn::spawn`.
fn procspawn(ballast: Ballast) -> Contender {
    Contender::new("procspawn", move |units| {
        sample(units, ballast, |x| {
            procspawn::spawn(x, same).join().expect("the call does not fail")
        })
    })
}

/// A program that does nothing: what no start can be faster than.
fn command(ballast: Ballast) -> Contender {
    Contender::new("std-command", move |units| {
        sample(units, ballast, |x| {
            let status = helper::command("exit").status().expect("a process can be started");
            assert!(status.success(), "it ended with {status}");
            x
        })
    })
}

/// A worker written by hand, and one message each way.
fn stream(ballast: Ballast) -> Contender {
    Contender::new(stream::NAME, move |units| {
        sample(units, ballast, |x| {
            let worker = stream::Worker::start("stream-echo", &[]);
            worker.send(x);
            worker.receive()
        })
    })
}

/// So many processes, after one to warm up.
fn sample(units: u64, ballast: Ballast, start: impl Fn(u64) -> u64) -> Sample {
    let ballast = ballast.take();
    start(0);
    let watch = Stopwatch::start();
    let found: Tally = (0..units).map(start).collect();
    let times = watch.stop();
    black_box(&ballast);
    Sample::new(units, times, found, Tally::of_range(units))
}
