//! The ends of a pool: what is queued is run, or cancelled.
//!
//! `cargo run -p threads --example threads_shutdown`

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use threads::{Event, JoinError, Pool};

/// A pool of one worker, which is busy until the event, with ten jobs behind.
fn busy(
    ran: &Arc<AtomicU32>,
    go: &Event,
) -> std::io::Result<(Pool, Vec<threads::JoinHandle<u32>>)> {
    let pool = Pool::new(1)?;
    let (begun, go) = (Event::new()?, go.clone());
    let begins = begun.clone();
    drop(pool.spawn(move || {
        begins.set();
        go.wait();
    }));
    begun.wait();
    let count = |ran: Arc<AtomicU32>| ran.fetch_add(1, SeqCst);
    let handles = (0..10).map(|_| pool.submit(count, Arc::clone(ran))).collect();
    Ok((pool, handles))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ran = Arc::new(AtomicU32::new(0));

    // `shutdown` runs all that is queued, and so does dropping the pool.
    let go = Event::new()?;
    let (pool, handles) = busy(&ran, &go)?;
    go.set();
    pool.shutdown();
    println!(
        "run: {}, finished: {}",
        ran.load(SeqCst),
        handles.iter().all(threads::JoinHandle::is_finished)
    );

    // `shutdown_now` cancels it, and waits for what runs.
    let go = Event::new()?;
    let (pool, mut handles) = busy(&ran, &go)?;
    let last = handles.pop().expect("there are ten");
    last.on_done(move |_| go.set()); // The running job ends when this one is cancelled.
    println!("not run: {}", pool.shutdown_now().count());
    println!("cancelled: {}", matches!(last.join(), Err(JoinError::Cancelled)));
    println!("still run: {}", ran.load(SeqCst));

    // A job that spawns others is waited for, and they are, too.
    let pool = Arc::new(Pool::new(2)?);
    let (inner, count) = (Arc::clone(&pool), Arc::clone(&ran));
    let parent = pool.spawn(move || inner.spawn(move || count.fetch_add(1, SeqCst)));
    drop(pool);
    println!("run by the child: {}", parent.join()?.join().is_ok());
    Ok(())
}
