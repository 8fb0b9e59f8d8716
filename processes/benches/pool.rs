//! What a call costs: `cargo bench -p processes`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use processes::{Pool, spawn};

fn calls(criterion: &mut Criterion) {
    let pool = Pool::new(2).expect("two workers can be started");
    let mut group = criterion.benchmark_group("pool");
    group.bench_function("submit to join", |bencher| {
        bencher.iter(|| pool.submit(|x: u64| x + 1, black_box(1)).join());
    });
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("map of 1,000 small calls", |bencher| {
        bencher.iter(|| {
            let sum: u64 =
                pool.map(|x: u64| x + 1, 0..1_000).map(|sum| sum.expect("the call returns")).sum();
            assert_eq!(sum, 500_500);
        });
    });
    group.bench_function("1,000 submits, then 1,000 joins", |bencher| {
        bencher.iter(|| {
            let handles: Vec<_> = (0..1_000_u64).map(|x| pool.submit(|x| x + 1, x)).collect();
            let sum: u64 =
                handles.into_iter().map(|handle| handle.join().expect("the call returns")).sum();
            assert_eq!(sum, 500_500);
        });
    });
    let text = "x".repeat(1 << 20);
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("argument of 1 MiB", |bencher| {
        bencher.iter(|| pool.submit(|text: String| text.len(), text.clone()).join());
    });
    group.finish();
}

fn starts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start");
    group.sample_size(20);
    group.bench_function("spawn and join", |bencher| {
        bencher.iter(|| spawn(|x: u64| x, 1).expect("a process can be started").join());
    });
    group.bench_function("pool of two, one call, shutdown", |bencher| {
        bencher.iter(|| {
            let pool = Pool::new(2).expect("two workers can be started");
            pool.submit(|x: u64| x, 1).join()
        });
    });
    group.finish();
}

criterion_group!(benches, calls, starts);
criterion_main!(benches);
