//! The same program with the processors of this machine, and with those of a cluster. What changes is
//! the line that makes the pool.
//!
//! ```text
//! processes_node nats://127.0.0.1:4222       on each machine that is to work
//! processes_cluster                          here
//! processes_cluster nats://127.0.0.1:4222    on those machines
//! ```

mod collatz;

use std::env::args;
use std::error::Error;
use std::num::NonZero;
use std::thread::available_parallelism;

use processes::Pool;

use collatz::collatz;

fn main() -> Result<(), Box<dyn Error>> {
    let workers = available_parallelism().map_or(1, NonZero::get);
    let pool = match args().nth(1).unwrap_or_default().as_str() {
        "" => Pool::new(workers)?,
        url => Pool::connect(url)?,
    };
    let mut longest = (0, 0);
    for (start, steps) in (1..).zip(pool.map(collatz, 1..30_000)) {
        longest = longest.max((steps?, start));
    }
    println!("{} takes {} steps", longest.1, longest.0);
    Ok(())
}
