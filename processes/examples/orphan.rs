//! Prints the process ids of busy workers and waits to be killed: the tests kill it and watch
//! the workers go.

use std::io::Write;
use std::time::Duration;

use processes::{Pool, Queue};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new(8)?;
    let entered = Queue::bounded(8)?;
    let calls: Vec<_> = (0..8).map(|_| pool.submit(stay, entered.clone())).collect();
    for _ in 0..8 {
        println!("{}", entered.get()?);
    }
    std::io::stdout().flush()?;
    for call in calls {
        call.join()?;
    }
    Ok(())
}

/// Reports its process and never returns by itself.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn stay(entered: Queue<u32>) {
    entered.put(std::process::id()).expect("the queue is open");
    let never = Queue::<u32>::bounded(1).expect("there is memory for a queue");
    while never.get_timeout(Duration::from_hours(1)).is_err() {}
}
