//! State that one process owns, and that others use by calls: what Python has a `Manager` for.
//!
//! `cargo run -p processes --example processes_actors`

use std::collections::BTreeMap;

use processes::{ActorBuilder, ActorError, ActorRef, Pool, spawn_actor};

/// How often each word has come.
type Words = BTreeMap<String, u32>;

/// Counts the words of a text, in a worker.
fn count((words, text): (ActorRef<Words>, String)) -> Result<(), ActorError> {
    let add = |words: &mut Words, word| *words.entry(word).or_default() += 1;
    text.split_whitespace().try_for_each(|word| words.cast(add, word.to_owned()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let pool = Pool::new(2)?;
    let words = spawn_actor(|()| Words::new(), ())?;
    let texts = ["to be or not to be", "that is the question", "to sleep to dream"];
    for result in pool.map(count, texts.map(|text| (words.clone(), text.to_owned()))) {
        result??;
    }
    let most = |words: &mut Words, n: u32| -> Vec<String> {
        words.iter().filter(|(_, count)| **count >= n).map(|(word, _)| word.clone()).collect()
    };
    println!("at least twice: {:?}", words.call(most, 2)?);
    words.stop(); // After what waits for it.
    words.join()?;
    println!("then: {}", words.call(most, 2).expect_err("it has ended"));

    // One that fails begins anew, if it may; the call in which it failed is not executed again.
    let fragile = ActorBuilder::new().name("fragile").restarts(2).spawn(|n: u32| n, 100)?;
    let divide = |n: &mut u32, by: u32| {
        *n /= by;
        *n
    };
    println!("a quarter: {}", fragile.call(divide, 4)?);
    println!("none: {}", matches!(fragile.call(divide, 0), Err(ActorError::Panicked { .. })));
    println!("a half, of the state it has begun with: {}", fragile.call(divide, 2)?);
    let crash = |_: &mut u32, ()| -> u32 { std::process::abort() };
    println!("a crash: {}", matches!(fragile.call(crash, ()), Err(ActorError::Lost { .. })));
    println!("and on: {}, start number {}", fragile.call(divide, 1)?, fragile.starts());
    Ok(())
}
