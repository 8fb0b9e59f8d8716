//! A process for one function: confined, heard, waited for as a descriptor, and killed.
//!
//! `cargo run -p processes --example processes_single_process`

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use processes::{Limit, ProcessBuilder, Semaphore};
use rustix::event::{PollFd, PollFlags, poll};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Its own environment, its output in a pipe.
    let builder = ProcessBuilder::new().name("greeter").env("WHO", "world").stdout(Stdio::piped());
    let greet = |word: String| println!("{word}, {}!", std::env::var("WHO").unwrap_or_default());
    let mut greeter = builder.spawn(greet, "Hello".to_owned())?;
    let mut said = String::new();
    greeter.take_stdout().ok_or("it is piped")?.read_to_string(&mut said)?;
    print!("it said: {said}");
    greeter.join()?;

    // No more than a gibibyte of addresses: what a bug allocates does not hurt the others.
    let greedy = ProcessBuilder::new().rlimit(Limit::AddressSpace, 1 << 30).nice(10);
    let allocate = |bytes: usize| Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    println!("four of them: {}", greedy.spawn(allocate, 4 << 30)?.join()?);

    // One that never ends by itself.
    let begun = Semaphore::new(0)?;
    let wait = |(begun, never): (Semaphore, Semaphore)| {
        begun.release(1);
        never.acquire().forget();
    };
    let process = ProcessBuilder::new().spawn(wait, (begun.clone(), Semaphore::new(0)?))?;
    begun.acquire().forget();
    let process = process.join_timeout(Duration::from_millis(10)).expect_err("it waits for ever");
    println!("alive: {}, told to end: {}", process.is_alive(), process.terminate());
    // Like any descriptor, it can sit in a reactor beside others.
    poll(&mut [PollFd::new(&process, PollFlags::IN)], None)?;
    process.wait_timeout(Duration::from_secs(10));
    println!("it ended by {:?}", process.exit_status().map(|status| status.to_string()));
    println!("its call: {}", process.join().is_err());
    Ok(())
}
