//! Three threads that compute in steps: nobody begins a step before all have done the last.
//!
//! `cargo run -p threads --example threads_barrier`

use std::time::Duration;
use threads::{Barrier, Lock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cells = Lock::new([1_u64, 2, 3])?;
    let shown = cells.clone();
    let barrier = Barrier::with_action(3, move || {
        println!("{:?}", *shown.lock().expect("nobody panics with it"));
    })?;
    let mut threads = Vec::new();
    for own in 0..3 {
        let (cells, barrier) = (cells.clone(), barrier.clone());
        let steps = move |()| {
            for _ in 0..3 {
                let sum = cells.lock().expect("nobody panics with it").iter().sum::<u64>();
                barrier.wait()?; // All have read.
                cells.lock().expect("nobody panics with it")[own] = sum + own as u64;
                barrier.wait()?; // All have written; the action shows it.
            }
            Ok::<(), threads::BarrierError>(())
        };
        threads.push(threads::spawn(steps, ())?);
    }
    for thread in threads {
        thread.join()??;
    }
    // Two never come: the barrier breaks instead of waiting for ever.
    println!(
        "alone: {}",
        barrier.wait_timeout(Duration::from_millis(5)).expect_err("two are missing")
    );
    println!("then: {}", barrier.wait().expect_err("it is broken"));
    barrier.reset();
    println!("broken after a reset: {}", barrier.is_broken());
    Ok(())
}
