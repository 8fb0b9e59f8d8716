//! Back-pressure: a producer that is faster than the pool.

use threads::{Pool, PoolFull, WhenFull};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `spawn` waits while 8 jobs are queued: memory stays bounded.
    let pool = Pool::builder().workers(2).queue_bound(8, WhenFull::Block).build()?;
    let handles: Vec<_> = (0..1_000u64).map(|x| pool.submit(|x| x * x, x)).collect();
    let mut sum = 0;
    for handle in handles {
        sum += handle.join()?;
    }
    println!("sum: {sum}");

    // Or the producer does what the pool has no room for.
    let mut own = 0;
    for x in 0..1_000u64 {
        match pool.try_spawn(move || x) {
            Ok(handle) => drop(handle),
            Err(PoolFull(job)) => own += u64::from(job() == x),
        }
    }
    assert!(own <= 1_000);

    // A map is bounded anyway: it pulls its inputs when there is room.
    let endless = pool.map(|x| x + 1, 0..);
    let five: Result<Vec<u64>, _> = endless.take(5).collect();
    println!("first: {:?}", five?);
    Ok(())
}
