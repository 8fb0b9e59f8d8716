//! A value that tasks share and keep while they wait, and what a panic leaves behind.
//!
//! `cargo run -p evented --example evented_locks`

use std::time::Duration;

use evented::sync::Mutex;
use evented::{TaskGroup, block_on, spawn, timeout, yield_now};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        // A lock holds its value, and its guard gives access to it.
        let total = Mutex::new(0);
        let mut adders = TaskGroup::new();
        for x in 1..=4 {
            let total = total.clone();
            adders.spawn(async move {
                let mut total = total.lock().await;
                let before = *total;
                yield_now().await; // Nobody comes in between: without a lock that would lose numbers.
                *total = before + x;
            });
        }
        adders.try_join_all().await?;
        println!("total: {}", *total.lock().await);

        // Waiting can have a limit.
        let held = total.lock().await;
        println!("gave up: {}", timeout(Duration::from_millis(5), total.lock()).await.is_err());
        println!("at once: {}", total.try_lock().is_some());

        // The guard may go to another task, with the lock.
        let mut guard = held;
        spawn(async move { *guard *= 2 }).await?;
        println!("doubled: {}", *total.lock().await);

        // A panic gives the lock back; the value is as it was left.
        let half_way = total.clone();
        let task = spawn(async move {
            *half_way.lock().await = 0;
            let _guard = half_way.lock().await;
            panic!("half way");
        });
        let error = task.await.map(|()| "returned").expect_err("it panics");
        println!("{}; left: {}", error.to_string().ends_with("half way"), *total.lock().await);
        Ok(())
    })
}
