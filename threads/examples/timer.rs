//! Something later, something again and again, and something that is cancelled.
//!
//! `cargo run -p threads --example threads_timer`

use std::time::Duration;
use threads::{Queue, Timer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines = Queue::unbounded()?;
    let say = |text: &'static str| {
        let lines = lines.clone();
        move || lines.put(text).expect("it is not shut down")
    };
    let later = Timer::after(Duration::from_millis(20), say("later"))?;
    let never = Timer::after(Duration::from_hours(1), say("never"))?;
    println!("cancelled: {}", never.cancel());
    later.wait();
    println!("{}", lines.get()?);

    let again = Timer::every(Duration::from_millis(1), say("again"))?;
    for _ in 0..3 {
        println!("{}", lines.get()?);
    }
    drop(again); // Dropping it cancels it; `detach` does not.
    println!("too late to cancel: {}", !later.cancel());
    Ok(())
}
