//! An account that pays 30 as soon as that leaves 10.
//!
//! `cargo run -p threads --example threads_condition`

use std::time::Duration;
use threads::{Condition, Lock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (balance, changed) = (Lock::new(10_u32)?, Condition::new()?);
    let pay = |(balance, changed): (Lock<u32>, Condition)| {
        let guard = balance.lock().expect("nobody panics with it");
        let mut guard = changed.wait_for(guard, |balance| *balance >= 40).expect("the same");
        *guard -= 30;
        *guard
    };
    let payment = threads::spawn(pay, (balance.clone(), changed.clone()))?;
    for _ in 0..3 {
        *balance.lock().expect("nobody panics with it") += 10;
        changed.notify_all(); // After the change; with or without the lock.
    }
    println!("left: {}", payment.join()?);

    // Nobody pays in any more: with a time limit, that is no hang.
    let guard = balance.lock().expect("nobody panics with it");
    let limit = Duration::from_millis(5);
    let (guard, enough) =
        changed.wait_for_timeout(guard, limit, |balance| *balance >= 30).expect("the same");
    println!("enough: {enough}, there are {}", *guard);
    Ok(())
}
