//! A workload of the comparison on the pool: `cargo bench -p threads --bench workload`.
//!
//! Every result is verified, as in the comparison; a wrong one fails the bench.

use std::sync::Arc;

use common::{
    Digest, Job, Output,
    body::run_blocking,
    calibrate::ns_per_iteration,
    lane::Shape,
    workload::{self, Point, Setting, Tier},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use threads::Pool;

/// A task of the job.
fn run_task((job, index): (Arc<Job>, u64)) -> Output {
    run_blocking(&job, index).expect("computing does not fail")
}

/// All tasks of a point through the pool.
fn run(pool: &Pool, point: &Point, tasks: u64) -> Digest {
    let job = Arc::new(point.plan.job.clone());
    let calls = (0..tasks).map(|index| (Arc::clone(&job), index));
    let mut digest = Digest::default();
    for (index, output) in (0..).zip(pool.map(run_task, calls)) {
        digest.add(index, &output.expect("no task goes wrong"));
    }
    digest
}

/// `cpu.coarse` and `cpu.fine`, small.
fn computing(criterion: &mut Criterion) {
    let pool = Pool::new(2).expect("two workers can be started");
    let setting = Setting {
        tier: Tier::Smoke,
        ns_per_iteration: ns_per_iteration(std::time::Duration::from_millis(20)),
        inputs: std::env::temp_dir(),
        files: None,
    };
    for id in ["cpu.coarse", "cpu.fine"] {
        let mut group = criterion.benchmark_group(id);
        let workload = workload::find(id).expect("it exists");
        for point in workload.points(&setting).expect("computing needs no input") {
            let Shape::Bag { tasks } = point.plan.shape else { continue };
            let expected = workload::reference(&point).expect("computing needs no input");
            group.throughput(Throughput::Elements(tasks));
            group.bench_function(&point.label, |bencher| {
                bencher.iter(|| assert_eq!(run(&pool, &point, tasks), expected));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, computing);
criterion_main!(benches);
