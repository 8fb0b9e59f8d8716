//! Handles: results, time limits, errors, cancelling, waiting for some of many.

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;
use threads::{JoinError, Pool, WaitFor, as_completed, wait};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::new(1)?;

    // A result.
    println!("result: {}", pool.spawn(|| 6 * 7).join()?);

    // A panic is an error of the handle.
    match pool.spawn(|| panic!("out of cheese")).join() {
        Err(JoinError::Panicked { message, .. }) => println!("panic: {message}"),
        other => println!("{other:?}"),
    }

    // A time limit gives the handle back, and nothing is lost.
    let (open, gate) = mpsc::channel::<()>();
    let slow = pool.spawn(move || gate.recv().is_err());
    let slow = match slow.join_timeout(Duration::from_millis(10)) {
        Ok(result) => return Err(format!("too early: {result:?}").into()),
        Err(handle) => handle,
    };
    println!("still running");

    // What is queued can be cancelled; what runs cannot.
    let behind = pool.spawn(|| "never");
    println!("cancelled: {}, {}", behind.cancel(), slow.cancel());

    // Some of many.
    let handles = [slow, behind_nothing(&pool)];
    drop(open);
    let (done, _) = wait(&handles, WaitFor::All, Duration::from_secs(30));
    println!("done: {}", done.len());

    // Whichever comes first.
    for (position, result) in as_completed(handles) {
        println!("{position}: {}", result?);
    }
    Ok(())
}

/// A job that is done at once.
fn behind_nothing(pool: &Pool) -> threads::JoinHandle<bool> {
    pool.spawn(|| true)
}
