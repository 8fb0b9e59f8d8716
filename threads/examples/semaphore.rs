//! At most two of eight threads at a time use a resource.
//!
//! `cargo run -p threads --example threads_semaphore`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use threads::BoundedSemaphore;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let connections = BoundedSemaphore::new(2)?;
    let in_use = Arc::new(AtomicUsize::new(0));
    let work = |(connections, in_use): (BoundedSemaphore, Arc<AtomicUsize>)| {
        let _permit = connections.acquire(); // Released when it is dropped.
        let now = in_use.fetch_add(1, SeqCst) + 1;
        in_use.fetch_sub(1, SeqCst);
        now
    };
    let mut most = 0;
    let start = |_| threads::spawn(work, (connections.clone(), Arc::clone(&in_use)));
    for handle in (0..8).map(start).collect::<Vec<_>>() {
        most = most.max(handle?.join()?);
    }
    println!("never more than two: {}", most <= 2);

    let (one, _two) = (connections.acquire(), connections.acquire());
    println!("a third: {:?}", connections.acquire_timeout(Duration::from_millis(5)));
    drop(one);
    println!("released too often: {}", connections.release(2).expect_err("one was acquired"));
    Ok(())
}
