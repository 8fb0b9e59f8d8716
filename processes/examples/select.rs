//! Waiting for whatever comes first: a value, a message, the end of a call or of a process.
//!
//! `cargo run -p processes --example processes_select`

use std::time::Duration;

use processes::{Event, Pool, ProcessBuilder, Queue, Select, Sender, channel};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let pool = Pool::new(1)?;
    let (go, commands) = (Event::new()?, Queue::<String>::bounded(4)?);
    let (send, numbers) = channel::<u32>(4)?;

    let count = |(go, send): (Event, Sender<u32>)| {
        go.wait();
        (1..=3).for_each(|n| send.send(n).expect("somebody receives"));
    };
    let call = pool.submit(count, (go.clone(), send));
    let process = ProcessBuilder::new().spawn(|go: Event| go.wait(), go.clone())?;

    let mut select = Select::new();
    let (number, command) = (select.recv(&numbers), select.get(&commands));
    let (result, end) = (select.join(&call), select.end(&process));
    println!("at first: {:?}", select.wait(Duration::from_millis(10)));

    commands.put("go".to_owned())?;
    assert_eq!(select.wait(None), [command]);
    println!("told to {}", commands.get()?);
    go.set();

    let (mut sum, mut ends) = (0, Vec::new());
    while ends != [result, end] {
        ends = select.wait(None);
        if ends.contains(&number) {
            // A value, or the end of the channel, which stays ready.
            sum += numbers.try_recv().unwrap_or(0);
            ends.retain(|&source| source != number);
        }
    }
    println!("sum: {sum}, call: {:?}, process: {:?}", call.outcome(), process.join());
    Ok(())
}
