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
    println!("at first: {:?}", select.wait(Duration::from_millis(10)));

    commands.put("go".to_owned())?;
    assert_eq!(select.wait(None), [command]);
    println!("told to {}", commands.get()?);
    go.set();

    let mut sum = 0;
    loop {
        let ready = select.wait(None);
        if ready.contains(&number) {
            match numbers.try_recv() {
                Ok(n) => sum += n,
                Err(_) => break, // No sender is left: that is ready for ever.
            }
        }
        assert!(!ready.contains(&command), "nobody says more");
    }
    let mut rest = Select::new();
    let (result, end) = (rest.join(&call), rest.end(&process));
    let first = rest.wait(None);
    println!("sum: {sum}, one has ended: {}", first.contains(&result) || first.contains(&end));
    println!("call: {:?}, process: {:?}", call.join(), process.join());
    Ok(())
}
