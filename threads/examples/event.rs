//! A worker that starts on a signal, and stops on another.
//!
//! `cargo run -p threads --example threads_event`

use std::time::Duration;
use threads::{Event, Latch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (start, stop, ready) = (Event::new()?, Event::new()?, Latch::new(2)?);
    let mut workers = Vec::new();
    for _ in 0..2 {
        let (start, stop, ready) = (start.clone(), stop.clone(), ready.clone());
        let work = move |()| {
            ready.count_down();
            start.wait();
            let mut rounds = 0_u64;
            while !stop.wait_timeout(Duration::from_micros(100)) {
                rounds += 1; // One piece of work.
            }
            rounds
        };
        workers.push(threads::spawn(work, ())?);
    }
    ready.wait();
    println!(
        "both are ready; any finished: {}",
        workers.iter().any(threads::JoinHandle::is_finished)
    );
    start.set();
    println!("stop after a while: {}", !stop.wait_timeout(Duration::from_millis(20)));
    stop.set();
    for worker in workers {
        println!("worked: {}", worker.join()? < 1_000_000);
    }
    Ok(())
}
