//! What the reactor's own mechanisms cost: `cargo bench -p evented`.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use evented::net::{TcpListener, TcpStream};
use evented::{Reactor, join_all, sleep, spawn, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

/// 100 tasks that yield ten times each.
fn yields(criterion: &mut Criterion) {
    let reactor = Reactor::new().expect("descriptors are left");
    criterion.bench_function("yield, 100 tasks x 10", |bencher| {
        bencher.iter(|| {
            reactor.block_on(async {
                let tasks = (0..100).map(|_| {
                    spawn(async {
                        for _ in 0..10 {
                            yield_now().await;
                        }
                    })
                });
                join_all(tasks).await
            })
        });
    });
}

/// One task at a time, awaited.
fn spawn_and_join(criterion: &mut Criterion) {
    let reactor = Reactor::new().expect("descriptors are left");
    criterion.bench_function("spawn + join, 100 times", |bencher| {
        bencher.iter(|| {
            reactor.block_on(async {
                let mut sum = 0;
                for n in 0..100 {
                    sum += spawn(async move { n }).await.expect("it does not panic");
                }
                sum
            })
        });
    });
}

/// A byte there and back over loopback.
fn round_trip(criterion: &mut Criterion) {
    let reactor = Reactor::new().expect("descriptors are left");
    let mut client = reactor.block_on(async {
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = TcpListener::bind(any).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let client = TcpStream::connect(address).await.expect("somebody listens");
        let (server, _) = listener.accept().await.expect("somebody connects");
        client.set_nodelay(true).expect("it is connected");
        server.set_nodelay(true).expect("it is connected");
        spawn(async move { futures_lite::io::copy(&server, &mut &server).await }).detach();
        client
    });
    criterion.bench_function("TCP round trip", |bencher| {
        bencher.iter(|| {
            reactor.block_on(async {
                let mut byte = [7];
                client.write_all(&byte).await.expect("the peer lives");
                client.read_exact(&mut byte).await.expect("the peer answers");
                assert_eq!(byte, [7]);
            });
        });
    });
}

/// 1,000 sleeps that end within the next 100 microseconds.
fn timers(criterion: &mut Criterion) {
    let reactor = Reactor::new().expect("descriptors are left");
    criterion.bench_function("1,000 timers", |bencher| {
        bencher.iter(|| {
            reactor.block_on(async {
                let tasks = (0..1_000_u64).map(|n| spawn(sleep(Duration::from_nanos(n * 100))));
                join_all(tasks).await
            })
        });
    });
}

criterion_group!(benches, yields, spawn_and_join, round_trip, timers);
criterion_main!(benches);
