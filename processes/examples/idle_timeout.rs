//! A pool that is used now and then has no processes in between.
//!
//! `cargo run -p processes --example processes_idle_timeout`

use std::time::Duration;

use processes::Pool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let pool = Pool::builder().workers(2).idle_timeout(Duration::from_millis(50)).build()?;
    for round in 1..=2 {
        let squares = pool.map(|x: u64| x * x, 1..=10).sum::<Result<u64, _>>()?;
        println!("round {round}: {squares}, with up to {} workers", pool.workers());
        while !pool.pids().is_empty() {
            std::thread::yield_now(); // Something else takes the program's time.
        }
        println!("processes left: {}", pool.stats().ready);
    }
    // A call brings a worker back, which takes a millisecond or two.
    println!("and again: {}", pool.submit(|x: u64| x + 1, 1).join()?);
    println!("lost: {}", pool.stats().lost);
    Ok(())
}
