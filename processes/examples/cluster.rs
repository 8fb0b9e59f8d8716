//! The same program with the processors of this machine, and with those of a cluster. What changes is
//! the line that makes the pool.
//!
//! ```text
//! processes_cluster                                here
//! processes_cluster node nats://127.0.0.1:4222     serve (with a worker for each processor)
//! processes_cluster nats://127.0.0.1:4222          on the nodes
//! ```

use std::env::args;
use std::error::Error;
use std::num::NonZero;
use std::thread::available_parallelism;

use processes::{Pool, node};

processes::task! {
    "examples.collatz" =>
    /// How many steps the number takes to get to 1: half of it if it is even, else three times and 1.
    fn collatz(start: u64) -> u32 {
        let (mut n, mut steps) = (start.max(1), 0);
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            steps += 1;
        }
        steps
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let slots = available_parallelism().map_or(1, NonZero::get);
    let pool = match arguments[..] {
        ["node", url] => return Ok(node::serve(url, slots)?),
        [] | [""] => Pool::new(slots)?,
        [url] => Pool::connect(url)?,
        _ => return Err("give nothing, a URL, or `node` and a URL".into()),
    };
    let mut longest = (0, 0);
    for (start, steps) in (1..).zip(pool.map(collatz, 1..30_000)) {
        longest = longest.max((steps?, start));
    }
    println!("{} takes {} steps", longest.1, longest.0);
    Ok(())
}
