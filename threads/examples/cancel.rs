//! Cancelling: a token for many jobs, those that run included.

use std::sync::{Arc, mpsc};
use threads::{CancelToken, Cancelled, JoinError, Pool};

/// Looks for a divisor; asks between two blocks of work whether it is still wanted.
fn divisor(n: u64, token: &CancelToken) -> Result<Option<u64>, Cancelled> {
    let mut from = 2;
    while from * from <= n {
        token.check()?;
        let block = from..from + 10_000;
        if let Some(found) = block.clone().find(|d| n.is_multiple_of(*d)) {
            return Ok((found < n).then_some(found));
        }
        from = block.end;
    }
    Ok(None)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Arc::new(Pool::new(1)?);
    let token = CancelToken::new();
    println!("{:?}", divisor(1_000_003 * 1_000_033, &token)?);

    // A job that runs until it is told to stop, and one behind it.
    let (started, running) = mpsc::channel();
    let inner = Arc::clone(&pool);
    let endless = pool.spawn_with(&token, move || {
        let own = CancelToken::current().unwrap_or_default();
        let child = inner.spawn(|| "inherits the token, and never runs");
        started.send(child).expect("the receiver is there");
        while own.check().is_ok() {
            std::thread::yield_now(); // Or work.
        }
        "stopped"
    });
    let child = running.recv()?;
    token.cancel();
    println!("{}", endless.join()?);
    println!("{}", matches!(child.join(), Err(JoinError::Cancelled)));
    Ok(())
}
