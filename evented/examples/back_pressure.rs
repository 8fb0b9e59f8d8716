//! Back-pressure: a producer that is faster than who receives.
//!
//! `cargo run -p evented --example evented_back_pressure`

use evented::sync::mpsc::{self, TrySendError};
use evented::{block_on, spawn, yield_now};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        // `send` waits while 8 values are on the way: memory stays bounded.
        let (sender, mut receiver) = mpsc::bounded(8);
        let producer = spawn(async move {
            for x in 0..1_000_u64 {
                if sender.send(x * x).await.is_err() {
                    return x; // Nobody receives any more.
                }
            }
            1_000
        });
        let (mut sum, mut most) = (0, 0);
        while let Some(square) = receiver.recv().await {
            most = most.max(receiver.len() + 1);
            sum += square;
        }
        println!("sum: {sum}, sent: {}, never more than 8: {}", producer.await?, most <= 8);

        // Or the producer does without what there is no room for.
        let (sender, mut receiver) = mpsc::bounded(2);
        let mut dropped = 0;
        for x in 0..10 {
            match sender.try_send(x) {
                Err(TrySendError::Full(_)) => dropped += 1,
                result => result?,
            }
        }
        println!("dropped: {dropped}, first: {:?}", receiver.recv().await);

        // A receiver that goes lets nobody wait in vain.
        let endless = spawn(async move {
            let mut sent = 0;
            while sender.send(sent).await.is_ok() {
                sent += 1;
            }
            sent
        });
        yield_now().await;
        drop(receiver);
        println!("sent before it went: {}", endless.await?);
        Ok(())
    })
}
