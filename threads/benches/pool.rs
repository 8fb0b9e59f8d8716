//! What the parts of the pool cost.
//!
//! ```text
//! cargo bench -p threads            # measures
//! cargo bench -p threads -- --test  # only checks that everything runs
//! ```

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use threads::{Pool, Queue};

/// Workers of the pools: enough for stealing, and the same on every machine.
const WORKERS: usize = 2;

/// Jobs in one call of `map`.
const SMALL_JOBS: u64 = 1_000;

/// A few tens of nanoseconds of work.
fn small(x: u64) -> u64 {
    (0..16).fold(x, |x, _| black_box(x).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31))
}

/// From outside the pool: one job at a time, and many before the first is joined.
fn submit(criterion: &mut Criterion) {
    let pool = Pool::new(WORKERS).expect("two threads can be started");
    criterion.bench_function("submit/join", |bencher| {
        bencher.iter(|| pool.submit(small, 1).join().expect("the job does not panic"));
    });
    criterion.bench_function("submit/only", |bencher| {
        bencher.iter_batched(
            || (),
            |()| pool.submit(small, 1), // The handle is dropped outside of the measurement.
            BatchSize::NumIterations(SMALL_JOBS),
        );
    });
}

/// A thousand small jobs through the maps.
fn map(criterion: &mut Criterion) {
    let pool = Pool::new(WORKERS).expect("two threads can be started");
    let expected = (0..SMALL_JOBS).map(small).fold(0, u64::wrapping_add);
    let mut group = criterion.benchmark_group("map");
    group.throughput(Throughput::Elements(SMALL_JOBS));
    group.bench_function("ordered", |bencher| {
        bencher.iter(|| {
            let results = pool.map(small, 0..SMALL_JOBS).map(|x| x.expect("no job panics"));
            assert_eq!(results.fold(0, u64::wrapping_add), expected);
        });
    });
    group.bench_function("unordered", |bencher| {
        bencher.iter(|| {
            let results = pool.map_unordered(small, 0..SMALL_JOBS);
            let results = results.map(|x| x.expect("no job panics"));
            assert_eq!(results.fold(0, u64::wrapping_add), expected);
        });
    });
    group.finish();
}

/// A value to another thread and back.
fn queue(criterion: &mut Criterion) {
    let there = Queue::bounded(1).expect("the capacity is not zero");
    let back = Queue::bounded(1).expect("the capacity is not zero");
    let echo = |(there, back): (Queue<u64>, Queue<u64>)| {
        while let Ok(x) = there.get() {
            back.put(x).expect("only the other queue is shut down");
        }
    };
    let echoing = threads::spawn(echo, (there.clone(), back.clone())).expect("a thread starts");
    criterion.bench_function("queue/ping-pong", |bencher| {
        bencher.iter(|| {
            there.put(black_box(7)).expect("it is not shut down");
            assert_eq!(back.get(), Ok(7));
        });
    });
    there.shutdown();
    echoing.join().expect("it does not panic");
    criterion.bench_function("queue/same-thread", |bencher| {
        bencher.iter(|| {
            back.put(black_box(7)).expect("it is not shut down");
            back.get()
        });
    });
}

criterion_group!(benches, submit, map, queue);
criterion_main!(benches);
