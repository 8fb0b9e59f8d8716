//! A program that Ctrl-C ends in good order: the first one lets what was submitted run, the second
//! one kills. With the argument `hang` no call ever ends.

use std::time::Duration;

use processes::{JoinError, Pool, Queue};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hang = std::env::args().any(|argument| argument == "hang");
    let pool = Pool::new(2)?;
    pool.close_on_interrupt()?;
    let begun = Queue::bounded(64)?;
    let calls: Vec<_> = (0..32).map(|_| pool.submit(work, (hang, begun.clone()))).collect();
    begun.get()?;
    begun.get()?;
    println!("ready: {}", std::process::id());
    let (mut done, mut cancelled, mut lost) = (0, 0, 0);
    for call in calls {
        match call.join() {
            Ok(()) => done += 1,
            Err(JoinError::Cancelled) => cancelled += 1,
            Err(JoinError::WorkerLost { .. }) => lost += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let more = if pool.is_closing() { "no more" } else { "not interrupted" };
    println!("{done} done, {cancelled} cancelled, {lost} lost, {more}");
    Ok(())
}

/// Takes its time.
#[expect(clippy::disallowed_methods, reason = "a stand-in for work")]
fn work((hang, begun): (bool, Queue<u8>)) {
    begun.put(0).expect("the queue is open");
    std::thread::sleep(if hang { Duration::from_hours(1) } else { Duration::from_millis(50) });
}
