//! A workload of the comparison on the reactor: `cargo bench -p evented --bench workload`.
//!
//! Every result is verified, as in the comparison; a wrong one fails the bench.

use std::{io, net::SocketAddr, ops::Range, path::Path, rc::Rc, time::Duration};

use common::{
    Digest, Io, Job,
    blocking::read_file,
    body,
    lane::Shape,
    workload::{self, Setting, Tier},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evented::{Reactor, join_all, net::TcpStream, spawn};

/// The services of the reactor for the job.
struct LoopIo;

impl Io for LoopIo {
    type Stream = TcpStream;

    async fn wait(&self, duration: Duration) {
        evented::sleep(duration).await;
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }

    async fn read_file(&self, path: &Path, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        let path = path.to_owned();
        let read = evented::blocking(move || read_file(&path, range)).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error.to_string())))
    }

    async fn yield_now(&self) {
        evented::yield_now().await;
    }
}

/// All tasks of a job at the same time.
async fn run(job: Rc<Job>, tasks: u64) -> Digest {
    let task = |index| {
        let job = Rc::clone(&job);
        spawn(async move { body::run(&LoopIo, &job, index).await })
    };
    let mut digest = Digest::default();
    for (index, output) in (0..).zip(join_all((0..tasks).map(task)).await) {
        let output = output.expect("no task panics").expect("waiting does not fail");
        digest.add(index, &output);
    }
    digest
}

/// `io.wait`, small.
fn waiting(criterion: &mut Criterion) {
    let reactor = Reactor::new().expect("descriptors are left");
    let inputs = std::env::temp_dir();
    let setting = Setting { tier: Tier::Smoke, ns_per_iteration: 1.0, inputs, files: None };
    let mut group = criterion.benchmark_group("io.wait");
    let workload = workload::find("io.wait").expect("it exists");
    for point in workload.points(&setting).expect("waiting needs no input") {
        let Shape::Bag { tasks } = point.plan.shape else { continue };
        let expected = workload::reference(&point).expect("waiting needs no input");
        let job = Rc::new(point.plan.job.clone());
        group.throughput(Throughput::Elements(tasks));
        group.bench_function(&point.label, |bencher| {
            bencher.iter(|| assert_eq!(reactor.block_on(run(Rc::clone(&job), tasks)), expected));
        });
    }
    group.finish();
}

criterion_group!(benches, waiting);
criterion_main!(benches);
