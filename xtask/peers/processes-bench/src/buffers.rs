//! Maps whose items bring bytes that lie where the workers see them.

use processes::{Buffer, Pool};
use sampler::{Amount, Contender, Cost, Metric, Sample, Stopwatch, Tally};
use serde_bytes::ByteBuf;

use crate::{
    executor::{Executor as _, started},
    python,
};

/// Calls of a map.
const CALLS: u64 = 100_000;

/// Calls before the first result is waited for, where each is submitted by itself.
const BATCH: u64 = 1_000;

/// The bytes that all calls have in common.
const COMMON: usize = 64 << 10;

/// The bytes that each call has for itself.
const OWN: usize = 1 << 10;

/// A metric of calls that share their bytes, and one of calls that have bytes of their own.
pub(crate) fn metrics(workers: usize) -> [Metric; 2] {
    let common = {
        let about = "A map of 100,000 calls that all bring the same buffer of 64 KiB and a number of \
                     their own, look at one byte and return the number, one map after the other. \
                     Peers: the same calls, each submitted by itself; items of Python's pool with \
                     the name of a piece of `multiprocessing.shared_memory`, which each worker opens \
                     once.";
        let name = "map.broadcast";
        let python = python::contender(name, "py-pool", workers).peer();
        let singly = submitted(workers, common_of).peer();
        metric(name, about, mapped(workers, common_of), vec![python, singly])
    };
    let own = {
        let about = "A map of 100,000 calls, each with a buffer of 1 KiB that is made and filled for \
                     it, which look at one byte and return a number, one map after the other. Peers: \
                     the same calls, each submitted by itself; items that hold the bytes themselves, \
                     here and in Python's pool.";
        let name = "map.buffers";
        let python = python::contender(name, "py-pool", workers).peer();
        let singly = submitted(workers, own_of).peer();
        metric(name, about, mapped(workers, own_of), vec![inside(workers).peer(), python, singly])
    };
    [common, own]
}

/// A metric of such maps.
fn metric(name: &str, about: &str, ours: Contender, peers: Vec<sampler::Peer>) -> Metric {
    Metric {
        name: name.into(),
        about: about.into(),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::Calibrated { first: CALLS, step: CALLS },
        named_only: false,
        baseline: None,
        ours,
        peers,
    }
}

/// Where calls get their bytes from, in a pool.
type Source = fn(&Pool) -> Box<dyn Fn() -> Buffer + '_>;

/// All get the same.
fn common_of(pool: &Pool) -> Box<dyn Fn() -> Buffer + '_> {
    let bytes = filled(pool, COMMON);
    Box::new(move || bytes.clone())
}

/// Each gets its own.
fn own_of(pool: &Pool) -> Box<dyn Fn() -> Buffer + '_> {
    Box::new(|| filled(pool, OWN))
}

/// So many bytes, all of which are 1.
fn filled(pool: &Pool, len: usize) -> Buffer {
    let mut bytes = pool.buffer(len).expect("memory is there");
    bytes.fill(1);
    bytes.freeze()
}

/// The call: its number, if the bytes are right.
fn look((bytes, x): (Buffer, u64)) -> u64 {
    numbered(&bytes, x)
}

/// The same of bytes that came with it.
fn look_inside((bytes, x): (ByteBuf, u64)) -> u64 {
    numbered(&bytes, x)
}

/// A number, if the byte that it stands for is 1.
fn numbered(bytes: &[u8], x: u64) -> u64 {
    let at = usize::try_from(x).expect("64 bits") % bytes.len();
    x + u64::from(bytes[at]) - 1
}

/// Maps of this pool.
fn mapped(workers: usize, source: Source) -> Contender {
    Contender::new(Pool::NAME, move |units| {
        let pool = started::<Pool>(workers);
        let bytes = source(&pool);
        sample(units, CALLS, |numbers| {
            let items = numbers.map(|x| (bytes(), x));
            pool.map(look, items).map(|result| result.expect("no call fails")).collect()
        })
    })
}

/// The same calls, each submitted by itself.
fn submitted(workers: usize, source: Source) -> Contender {
    Contender::new("submit", move |units| {
        let pool = started::<Pool>(workers);
        let bytes = source(&pool);
        sample(units, BATCH, |numbers| {
            let calls: Vec<_> = numbers.map(|x| pool.submit(look, (bytes(), x))).collect();
            calls.into_iter().map(|call| call.join().expect("no call fails")).collect()
        })
    })
}

/// Items that hold the bytes themselves.
fn inside(workers: usize) -> Contender {
    Contender::new("bytes-inside", move |units| {
        let pool = started::<Pool>(workers);
        sample(units, CALLS, |numbers| {
            let items = numbers.map(|x| (ByteBuf::from(vec![1; OWN]), x));
            pool.map(look_inside, items).map(|result| result.expect("no call fails")).collect()
        })
    })
}

/// So many calls, in parts.
fn sample(units: u64, part: u64, run: impl Fn(std::ops::Range<u64>) -> Tally) -> Sample {
    let watch = Stopwatch::start();
    let (mut found, mut begun) = (Tally::default(), 0);
    while begun < units {
        let end = units.min(begun + part);
        found = found.plus(run(begun..end));
        begun = end;
    }
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
