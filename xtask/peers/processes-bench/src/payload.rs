//! Large arguments.

use std::sync::Arc;

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};
use serde_bytes::ByteBuf;

use crate::{
    executor::{Executor as _, started},
    ipc, python, stream,
};

/// The name of the metric.
const NAME: &str = "payload.1mib";

/// The bytes of an argument.
const SIZE: usize = 1 << 20;

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    let python = |name| python::contender(NAME, name, workers).peer();
    Metric {
        name: NAME.into(),
        about: "Calls with a byte buffer of 1 MiB, which return its length: a map over them. The \
                buffer is made once, so that making it is not measured. (procspawn 1.0.2 is left \
                out: four such calls at once did not end within 30 s.)"
            .into(),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::calibrated(10),
        named_only: false,
        baseline: None,
        ours: ours(workers),
        peers: vec![
            stream(workers)
                .peer()
                .required(Goal::CostAtMost(200_000.0))
                .stretch(Goal::CostAtMost(100_000.0)),
            channel(workers).peer(),
            python("py-pool"),
            python("py-executor"),
            python("loky"),
            python("pebble"),
        ],
    }
}

/// The argument: many calls, one buffer.
fn buffer() -> Arc<ByteBuf> {
    Arc::new(ByteBuf::from(vec![7; SIZE]))
}

/// The call.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn measure(bytes: Arc<ByteBuf>) -> u64 {
    bytes.len() as u64
}

/// This pool.
fn ours(workers: usize) -> Contender {
    Contender::new(processes::Pool::NAME, move |units| {
        let pool = started::<processes::Pool>(workers);
        sample(units, |buffer, units| {
            let arguments = (0..units).map(|_| Arc::clone(buffer));
            pool.map(measure, arguments).map(|result| result.expect("no call fails")).collect()
        })
    })
}

/// One buffer for each worker, then one answer of each.
fn stream(workers: usize) -> Contender {
    Contender::new(stream::NAME, move |units| {
        let start = |_| stream::Worker::start("stream-measure", &[]);
        let workers: Vec<_> = (0..workers).map(start).collect();
        sample(units, |buffer, units| {
            in_turn(&workers, units, |worker| worker.send_bytes(buffer), stream::Worker::receive)
        })
    })
}

/// The same with channels.
fn channel(workers: usize) -> Contender {
    Contender::new(ipc::NAME, move |units| {
        let start = |_| ipc::Worker::<ipc::Bytes, u64>::start("ipc-measure", &[]);
        let workers: Vec<_> = (0..workers).map(start).collect();
        sample(units, |buffer, units| {
            // The type of the channel owns its bytes, so each message needs some.
            let send = |worker: &ipc::Worker<_, _>| worker.send(ipc::Bytes(buffer.to_vec()));
            in_turn(&workers, units, send, ipc::Worker::receive)
        })
    })
}

/// The answers to so many messages, one under way to each worker.
fn in_turn<W>(
    workers: &[W],
    units: u64,
    send: impl Fn(&W),
    receive: impl Fn(&W) -> u64,
) -> Vec<u64> {
    let mut answers = Vec::new();
    while (answers.len() as u64) < units {
        let left = usize::try_from(units).expect("they were counted") - answers.len();
        let round = &workers[..left.min(workers.len())];
        round.iter().for_each(&send);
        answers.extend(round.iter().map(&receive));
    }
    answers
}

/// So many calls.
fn sample(units: u64, run: impl Fn(&Arc<ByteBuf>, u64) -> Vec<u64>) -> Sample {
    let buffer = buffer();
    let watch = Stopwatch::start();
    let lengths = run(&buffer, units);
    let times = watch.stop();
    let right = lengths.iter().filter(|length| **length == SIZE as u64).count();
    Sample::new(units, times, Tally::of_count(right as u64), Tally::of_count(units))
}
