//! Values through a bounded queue, from processes to processes.

use processes::{Barrier, JoinHandle, Queue, spawn};
use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{ipc, python, stream};

/// The capacities.
const CAPACITIES: [usize; 3] = [1, 64, 1_024];

/// How many producers there are, and as many consumers.
const SIDES: [usize; 2] = [1, 2];

/// A metric for each capacity and number of producers.
pub(crate) fn metrics(workers: usize) -> Vec<Metric> {
    let metrics = CAPACITIES.iter();
    metrics.flat_map(|&capacity| SIDES.map(|side| metric(capacity, side, workers))).collect()
}

/// The metric of this capacity, with so many producers and as many consumers.
fn metric(capacity: usize, side: usize, workers: usize) -> Metric {
    let name = format!("queue.{capacity}.{side}x{side}");
    let python = python::contender(&name, "py-queue", workers).peer();
    let mut peers = vec![python.required(Goal::BoundBelow(1.0))];
    if side == 1 {
        peers.extend([channel().peer(), unix_stream().peer()]);
    }
    Metric {
        about: format!(
            "Numbers through a bounded queue of capacity {capacity}; producers: {side}, consumers: \
             {side}, a process each. Sockets hold as many as the kernel lets them, and their \
             consumer is the process that measures."
        ),
        unit: "value",
        cost: Cost::Wall,
        amount: Amount::calibrated(100),
        named_only: false,
        baseline: None,
        ours: ours(capacity, side),
        peers,
        name,
    }
}

/// What a process of ours is given: the queue, and what all of them start at.
type Ends = (Queue<u64>, Barrier);

/// Puts every `side`-th number, beginning with `first`.
fn produce(((queue, barrier), first, units, side): (Ends, u64, u64, usize)) {
    barrier.wait().expect("nobody gives up");
    for x in (first..units).step_by(side) {
        queue.put(x).expect("the queue is open");
    }
}

/// Takes numbers until there are no more: how many, and their sum.
fn consume((queue, barrier): Ends) -> (u64, u64) {
    barrier.wait().expect("nobody gives up");
    let numbers = std::iter::from_fn(|| queue.get().ok());
    let Tally { count, sum } = numbers.collect();
    (count, sum)
}

/// This queue.
fn ours(capacity: usize, side: usize) -> Contender {
    Contender::new("processes", move |units| {
        let queue = Queue::bounded(capacity).expect("descriptors are left");
        let barrier = Barrier::new(2 * side + 1).expect("descriptors are left");
        let ends = || (queue.clone(), barrier.clone());
        let start = |first| spawn(produce, (ends(), first, units, side));
        let producers: Vec<JoinHandle<()>> =
            (0..).take(side).map(|first| start(first).expect("a process can be started")).collect();
        let start = |_| spawn(consume, ends()).expect("a process can be started");
        let consumers: Vec<_> = (0..side).map(start).collect();
        let watch = Stopwatch::start();
        barrier.wait().expect("nobody gives up");
        for call in producers {
            call.join().expect("no producer fails");
        }
        queue.shutdown();
        let found = consumers.into_iter().map(|call| call.join().expect("no consumer fails"));
        let found =
            found.fold(Tally::default(), |all, (count, sum)| all.plus(Tally { count, sum }));
        Sample::new(units, watch.stop(), found, Tally::of_range(units))
    })
}

/// A channel from a process to this one.
fn channel() -> Contender {
    Contender::new(ipc::NAME, |units| {
        let worker = ipc::Worker::<u64, u64>::start("ipc-produce", &[&units.to_string()]);
        let watch = Stopwatch::start();
        worker.send(0);
        let found: Tally = (0..units).map(|_| worker.receive()).collect();
        Sample::new(units, watch.stop(), found, Tally::of_range(units))
    })
}

/// A socket from a process to this one.
fn unix_stream() -> Contender {
    Contender::new(stream::NAME, |units| {
        let worker = stream::Worker::start("stream-produce", &[&units.to_string()]);
        let watch = Stopwatch::start();
        worker.send(0);
        let found: Tally = (0..units).map(|_| worker.receive()).collect();
        Sample::new(units, watch.stop(), found, Tally::of_range(units))
    })
}
