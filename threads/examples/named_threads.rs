//! Threads with names, a time limit for joining, and a hook for panics.
//!
//! `cargo run -p threads --example threads_named_threads`

use std::time::Duration;
use threads::{Event, ThreadBuilder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let go = Event::new()?;
    let wait = go.clone();
    let slow = ThreadBuilder::new().name("slow").stack_size(256 * 1024).spawn(move || {
        wait.wait();
        6 * 7
    })?;
    println!("has a number: {}", slow.native_id().is_some() || !cfg!(target_os = "linux"));
    let names: Vec<_> =
        threads::enumerate().iter().filter_map(|t| t.name().map(str::to_owned)).collect();
    println!("running: {names:?}, {}", threads::active_count());
    let slow = slow.join_timeout(Duration::from_millis(5)).expect_err("it waits for the event");
    println!("alive: {}", slow.is_alive());
    go.set();
    println!("result: {}", slow.join()?);

    let report = |thread: &threads::ThreadInfo, message: &str| {
        println!("{} panicked: {message}", thread.name().unwrap_or("?"));
    };
    std::panic::set_hook(Box::new(|_| {})); // Std's own report is not needed here.
    let fails = ThreadBuilder::new().name("faulty").on_panic(report);
    let error = fails.spawn(|| panic!("out of cheese"))?.join().expect_err("it panics");
    println!("error: {error}");
    println!("all ended: {}", threads::join_all_timeout(Duration::from_secs(30)));
    Ok(())
}
