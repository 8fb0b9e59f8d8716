//! At most two of eight tasks at a time use a resource.
//!
//! `cargo run -p evented --example evented_semaphore`

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use evented::sync::Semaphore;
use evented::{TaskGroup, block_on, timeout, yield_now};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        let connections = Semaphore::new(2);
        let in_use = Rc::new(Cell::new(0));
        let mut group = TaskGroup::new();
        for _ in 0..8 {
            let (connections, in_use) = (connections.clone(), Rc::clone(&in_use));
            group.spawn(async move {
                let _permit = connections.acquire().await; // Released when it is dropped.
                in_use.set(in_use.get() + 1);
                let now = in_use.get();
                yield_now().await; // Or whatever takes its time.
                in_use.set(in_use.get() - 1);
                now
            });
        }
        let most = group.try_join_all().await?.into_iter().max();
        println!("never more than two: {}", most == Some(2));

        let (one, _two) = (connections.acquire().await, connections.acquire().await);
        let third = timeout(Duration::from_millis(5), connections.acquire()).await;
        println!("a third: {}", third.is_ok());
        drop(one);
        println!("then: {}", connections.try_acquire().is_some());
        connections.add_permits(3);
        println!("permits nobody has: {}", connections.available());
        Ok(())
    })
}
