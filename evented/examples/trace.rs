//! Shows what a program does: `cargo run -p evented --example evented_trace -- trace.json`. It prints what
//! each task waits for, and writes a trace that <https://ui.perfetto.dev> opens.

use std::{error::Error, fs::File, io::BufWriter, time::Duration};

use evented::record::{Blocked, mark};
use evented::sync::{Mutex, mpsc};
use evented::{Class, Reactor, Spawn, handle, sleep, spawn_with};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: trace FILE")?;
    let main = std::thread::current();
    let told = move |blocked: &Blocked| {
        println!("watchdog: {blocked}");
        if blocked.name.as_deref() == Some("consumer") {
            main.unpark(); // It waits for that.
        }
    };
    let builder = Reactor::builder().block_limit(Duration::from_millis(20)).on_block(told);
    let record = builder.build()?.block_on(async {
        let (sender, receiver) = mpsc::bounded(2);
        let options = Spawn::new().name("producer").class(Class::BATCH);
        let producer = spawn_with(options, produce(sender));
        let options = Spawn::new().name("consumer").class(Class::RT);
        let consumer = spawn_with(options, consume(receiver));
        let lock = Mutex::new(());
        let locked = lock.clone();
        let _holder = spawn_with(Spawn::new().name("holder"), async move {
            let _guard = locked.lock().await;
            sleep(Duration::from_hours(1)).await;
        });
        consumer.await?;
        producer.await?;
        let _stuck = spawn_with(Spawn::new().name("stuck"), async move { drop(lock.lock().await) });
        sleep(Duration::from_millis(1)).await;
        println!("{}", handle().dump()?);
        Ok::<_, Box<dyn Error>>(handle().record()?)
    })?;
    record.write_chrome_trace(BufWriter::new(File::create(&path)?))?;
    println!("{} events in {path}", record.events().len());
    Ok(())
}

/// Sends ten numbers, one a millisecond.
async fn produce(sender: mpsc::Sender<u64>) {
    for n in 0..10 {
        sleep(Duration::from_millis(1)).await;
        sender.send(n).await.expect("the consumer is there");
    }
}

/// Takes them, and once does what a task must not do: it blocks the loop, here until that is noticed.
async fn consume(mut receiver: mpsc::Receiver<u64>) {
    while let Some(n) = receiver.recv().await {
        mark("received", n);
        if n == 5 {
            std::thread::park_timeout(Duration::from_secs(10));
        }
    }
}
