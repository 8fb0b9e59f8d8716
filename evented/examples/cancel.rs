//! Cancelling: a token for many tasks, a task that must not be cancelled, and the first of several.
//!
//! `cargo run -p evented --example evented_cancel`

use std::future::pending;
use std::time::Duration;

use evented::{CancelToken, Cancelled, TaskGroup, block_on, race, shield, sleep, spawn, timeout};

/// Looks for a divisor; asks between two blocks of work whether it is still wanted.
async fn divisor(n: u64, token: CancelToken) -> Result<Option<u64>, Cancelled> {
    let mut from = 2;
    while from * from <= n {
        token.check()?;
        if let Some(found) = (from..from + 1_000).find(|d| n.is_multiple_of(*d)) {
            return Ok((found < n).then_some(found));
        }
        from += 1_000;
        evented::yield_if_needed().await;
    }
    Ok(None)
}

async fn after(millis: u64) -> u64 {
    sleep(Duration::from_millis(millis)).await;
    millis
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        let server = CancelToken::new();
        println!("{:?}", divisor(1_000_003 * 1_000_033, server.child()).await?);

        // Requests end with the server, wherever they wait.
        let mut requests = TaskGroup::new();
        for _ in 0..3 {
            let request = server.child();
            requests.spawn(async move { request.run(pending::<()>()).await });
        }
        server.cancel();
        let ends = requests.try_join_all().await?;
        println!("{} requests, all cancelled: {}", ends.len(), ends == [Err(Cancelled); 3]);
        println!("{:?}", divisor(15, server).await);

        // Dropping a task cancels it. What is shielded goes on.
        let (sender, saved) = evented::sync::oneshot::channel();
        let save = shield(async move { sender.send(after(1).await) });
        println!("given up: {}", timeout(Duration::ZERO, save).await.is_err());
        println!("saved all the same: {}", saved.await?);

        // The losers have ended when the winner is known.
        let runners = [10_000, 1, 20_000].map(|millis| spawn(after(millis)));
        let (winner, result) = race(runners).await.ok_or("three have started")?;
        println!("number {winner}, after {} ms; tasks left: {}", result?, evented::stats().tasks);
        Ok(())
    })
}
