//! Workers that are replaced before code that keeps too much becomes a problem.
//!
//! `cargo run -p processes --example processes_recycling`

use std::collections::BTreeSet;
use std::sync::Mutex;

use processes::Pool;

/// A cache that nobody ever empties.
static CACHE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Keeps some memory for ever, and says in which process.
fn hoard(bytes: usize) -> u32 {
    CACHE.lock().expect("nothing panics with it").push(vec![1_u8; bytes]);
    std::process::id()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    // After so many calls, whatever they did.
    let pool = Pool::builder().workers(1).max_calls_per_worker(5).build()?;
    let pids = pool.map(hoard, [1_000; 20]).collect::<Result<Vec<_>, _>>()?;
    let workers: BTreeSet<_> = pids.iter().collect();
    println!("20 calls, 5 for each worker: {} workers", workers.len());
    drop(pool);

    // When one has become too large. It is looked at between calls, a moment later, and its
    // successor is ready before it leaves.
    let pool = Pool::builder().workers(1).recycle_above_rss(100 << 20).build()?;
    let first = pool.submit(hoard, 1_000).join()?;
    println!("small, so it stays: {}", pool.submit(hoard, 1_000).join()? == first);
    println!("still that one: {}", pool.submit(hoard, 200 << 20).join()? == first);
    let mut calls = 0;
    while pool.submit(hoard, 0).join()? == first {
        calls += 1; // At most those of some tens of milliseconds.
    }
    println!("replaced: {}, lost: {}", pool.stats().recycled, pool.stats().lost);
    assert!(calls < 1_000_000, "that took long");
    Ok(())
}
