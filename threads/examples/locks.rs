//! A value that threads share, what a panic leaves behind, and a lock that its holder takes again.
//!
//! `cargo run -p threads --example threads_locks`

use std::cell::RefCell;
use std::sync::TryLockError;
use std::time::Duration;
use threads::{Lock, ReentrantLock};

/// Files of each folder, and the folders in it.
type Folders = ReentrantLock<RefCell<Vec<(u32, Vec<usize>)>>>;

/// Files of a folder and below. Each level takes the lock, which the level above holds.
fn files(folders: &Folders, folder: usize) -> u32 {
    let guard = folders.lock();
    let (own, below) = guard.borrow()[folder].clone();
    own + below.into_iter().map(|folder| files(folders, folder)).sum::<u32>()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A lock holds its value, and its guard gives access to it.
    let total = Lock::new(0)?;
    let mut adders = Vec::new();
    for x in 1..=4 {
        let add = |(total, x): (Lock<u32>, u32)| *total.lock().expect("no adder panics") += x;
        adders.push(threads::spawn(add, (total.clone(), x))?);
    }
    for adder in adders {
        adder.join()?;
    }
    println!("total: {}", *total.lock().expect("no adder panics"));

    // Waiting can have a limit.
    let held = total.lock().expect("no adder panics");
    let impatient = |total: Lock<u32>| {
        let late = total.lock_timeout(Duration::from_millis(5));
        matches!(late, Err(TryLockError::WouldBlock))
    };
    println!("gave up: {}", threads::spawn(impatient, total.clone())?.join()?);
    drop(held);

    // A panic under the lock is remembered: the value may be half changed.
    let half_way = |total: Lock<u32>| {
        let mut guard = total.lock().expect("nobody has panicked yet");
        *guard = 0;
        panic!("half way");
    };
    let error = threads::spawn(half_way, total.clone())?.join().expect_err("it panics");
    println!("{error}; poisoned: {}", total.is_poisoned());
    *total.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = 10;
    total.clear_poison();
    println!("repaired: {}", *total.lock().expect("it was repaired"));

    let folders = vec![(2, vec![1, 2]), (3, vec![]), (5, vec![3]), (7, vec![])];
    println!("files: {}", files(&ReentrantLock::new(RefCell::new(folders))?, 0));
    Ok(())
}
