//! Queues that do not give the oldest value first: the newest, or the smallest.
//!
//! `cargo run -p threads --example threads_queue_orders`

use std::cmp::Reverse;
use std::time::Duration;
use threads::{GetError, LifoQueue, PriorityQueue, PutError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The newest first: of pages that wait for a reader, the last one is still of interest.
    let pages = LifoQueue::bounded(3)?;
    pages.put_many(vec!["first", "second", "third"])?;
    if let Err(PutError::Full(page)) = pages.try_put("fourth") {
        println!("no place for the {page}");
    }
    println!("{:?}", pages.get_many(2)?);

    // The smallest first, and of equal ones the oldest; `Reverse` turns that around.
    let alarms = PriorityQueue::unbounded()?;
    let raise = |alarms: PriorityQueue<(Reverse<u32>, &'static str)>| {
        for (grade, what) in [(1, "door open"), (3, "fire"), (2, "water"), (3, "smoke")] {
            alarms.put((Reverse(grade), what)).expect("it is not shut down yet");
        }
        alarms.shutdown();
    };
    threads::spawn(raise, alarms.clone())?.join()?;
    for (Reverse(grade), what) in alarms.iter() {
        println!("{grade}: {what}");
    }

    // The end of a queue is told from waiting in vain.
    assert_eq!(alarms.get_timeout(Duration::from_secs(1)), Err(GetError::ShutDown));
    pages.get()?;
    println!("{}", pages.get_timeout(Duration::from_millis(5)).expect_err("it is empty"));
    Ok(())
}
