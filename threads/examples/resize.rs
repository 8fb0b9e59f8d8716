//! A pool that grows and shrinks while it works, and what it says about itself.
//!
//! `cargo run -p threads --example threads_resize`

use std::sync::Arc;
use threads::{Barrier, Event, Pool};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Pool::builder().workers(1).max_workers(4).spares(0).stack_size(256 * 1024);
    let pool = Arc::new(builder.name("crew").build()?);

    // Three jobs that wait for each other need three workers.
    let meet = Barrier::new(3)?;
    let job = |meet: Barrier| {
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        meet.wait().map(|_| name)
    };
    let jobs: Vec<_> = (0..3).map(|_| pool.submit(job, meet.clone())).collect();
    pool.resize(3)?; // They start at once.
    let mut names = Vec::new();
    for job in jobs {
        names.push(job.join()??);
    }
    names.sort_unstable();
    println!("{names:?}");

    // Fewer: whoever has finished its job goes; none is interrupted.
    let stop = Event::new()?;
    let wait = |stop: Event| stop.wait();
    let busy = [(); 3].map(|()| pool.submit(wait, stop.clone()));
    while pool.stats().running < 3 {
        std::thread::yield_now();
    }
    pool.resize(1)?;
    let behind = pool.spawn(|| ());
    let stats = pool.stats();
    println!("workers: {}, running: {}, queued: {}", stats.workers, stats.running, stats.queued);
    stop.set();
    for job in busy {
        job.join()?;
    }
    behind.join()?;

    println!("too many: {}", pool.resize(5).expect_err("`max_workers` is less"));
    println!("done: {}", pool.stats().done);
    Ok(())
}
