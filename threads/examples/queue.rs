//! Producers, consumers, and a queue that knows when everything was dealt with.
//!
//! `cargo run -p threads --example threads_queue`

use threads::{GetError, Lock, Queue, ThreadBuilder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (queue, total) = (Queue::bounded(4)?, Lock::new(0)?);
    let mut consumers = Vec::new();
    for number in 0..2 {
        let (queue, total) = (queue.clone(), total.clone());
        let consume = move || {
            for x in queue.iter() {
                *total.lock().expect("no consumer panics") += x;
                queue.task_done().expect("once for each value");
            }
        };
        consumers.push(ThreadBuilder::new().name(format!("consumer-{number}")).spawn(consume)?);
    }
    for start in [0, 10, 20] {
        let produce = move |queue: Queue<u32>| queue.put_many((start..start + 10).collect());
        threads::spawn(produce, queue.clone())?.join()?.expect("it is not shut down");
    }
    queue.join(); // Everything was put, got, and dealt with.
    println!("total: {}", *total.lock().expect("no consumer panics"));
    queue.shutdown(); // The consumers' loops end.
    for consumer in consumers {
        consumer.join()?;
    }
    println!("after the end: {}", queue.get().expect_err("it is empty"));
    assert_eq!(queue.get(), Err(GetError::ShutDown));
    Ok(())
}
