//! The same function for many inputs: in order, as they are done, endless, with a time limit.
//!
//! `cargo run -p threads --example threads_maps`

use std::time::Duration;
use threads::{Event, Pool};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new(2)?;

    // In the order of the inputs.
    let lengths: Result<Vec<usize>, _> = pool.map(str::len, ["three", "models", "one"]).collect();
    println!("{:?}", lengths?);

    // Lazy: of an endless input only as much is taken as the buffer holds.
    let squares = pool.map(|x: u64| x * x, 1..).buffer(8);
    let found = squares.filter_map(Result::ok).find(|square| square % 1_000 == 0);
    println!("{found:?}"); // Dropping the map has cancelled the rest.

    // A panic is an item, and not the end.
    for result in pool.map(|x: i32| 12 / x, [4, 0, 3]) {
        match result {
            Ok(x) => print!("{x} "),
            Err(error) => print!("({error}) "),
        }
    }
    println!();

    // As they are done: the first input keeps nobody waiting.
    let open = Event::new()?;
    let gate = open.clone();
    let slow_first = move |x: u32| {
        if x == 0 {
            gate.wait();
        }
        x
    };
    let mut results = pool.map_unordered(slow_first, 0..3);
    let mut early = results.by_ref().take(2).collect::<Result<Vec<_>, _>>()?;
    early.sort_unstable();
    println!("early: {early:?}");

    // A time limit for the next result, which comes with a later call.
    println!("in time: {}", results.next_timeout(Duration::from_millis(5)).is_ok());
    open.set();
    println!("late: {:?}", results.next().transpose()?);
    Ok(())
}
