//! Tasks that start on a signal and stop on another, and one that follows a value.
//!
//! `cargo run -p evented --example evented_event`

use evented::sync::{Event, watch};
use evented::{block_on, join_all, spawn, yield_now};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        let (start, stop) = (Event::new(), Event::new());
        let workers = (0..2).map(|_| {
            let (start, stop) = (start.clone(), stop.clone());
            spawn(async move {
                start.wait().await;
                let mut rounds = 0_u64;
                while !stop.is_set() {
                    rounds += 1; // One piece of work.
                    yield_now().await;
                }
                rounds
            })
        });
        let workers: Vec<_> = workers.collect();
        yield_now().await;
        println!("any finished: {}", workers.iter().any(evented::Task::is_finished));
        start.set();
        for _ in 0..10 {
            yield_now().await;
        }
        stop.set();
        for rounds in join_all(workers).await {
            println!("worked: {}", rounds? >= 9);
        }

        // A value instead of a flag: who follows sees the latest, and never misses the last.
        let (state, mut follower) = watch::channel("starting");
        let follower = spawn(async move {
            let mut seen = Vec::new();
            while let Ok(state) = follower.changed().await {
                seen.push(*state);
            }
            seen
        });
        yield_now().await;
        state.send("loading")?;
        yield_now().await;
        state.send("almost")?;
        state.send("ready")?;
        drop(state);
        println!("seen: {:?}", follower.await?);
        Ok(())
    })
}
