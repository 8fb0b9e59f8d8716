//! What ranks and inheritance do for an urgent task, in virtual time, beside 100 tasks that work for 20
//! microseconds again and again: `cargo run -p evented --example evented_priority`.
use std::{io, time::Duration};

use evented::sync::{Mutex, Notify};
use evented::{Class, Reactor, Spawn, advance, now, sleep_until, spawn, spawn_with, yield_now};

async fn work(polls: u32) {
    for _ in 0..polls {
        advance(Duration::from_micros(20));
        yield_now().await;
    }
}

/// Runs the urgent task beside the others: how long it has waited.
fn waited<F: Future<Output = Duration> + 'static>(class: Class, urgent: F) -> io::Result<Duration> {
    Reactor::builder().virtual_time().build()?.block_on(async {
        let others: Vec<_> = (0..100).map(|_| spawn(work(10_000))).collect();
        let waited = spawn_with(Spawn::new().class(class), urgent).await;
        drop(others);
        waited.map_err(io::Error::other)
    })
}

/// Is woken by a timer every 1,010 microseconds: the longest that it was late.
async fn timer() -> Duration {
    let mut latest = Duration::ZERO;
    for _ in 0..50 {
        let due = now() + Duration::from_micros(1_010);
        sleep_until(due).await;
        latest = latest.max(now() - due);
    }
    latest
}

/// Needs what a task of the lowest rank works on, and waits for its lock, or for whoever may come.
async fn needs(is_lock: bool) -> Duration {
    let (lock, done) = (Mutex::new(()), Notify::new());
    let (guard, told) = (lock.lock(), done.clone());
    let low = spawn(async move {
        let _guard = guard.await;
        work(10).await;
        told.notify_one();
    });
    yield_now().await;
    low.set_class(Class::IDLE); // It has begun.
    let asked = now();
    let _guard = if is_lock { Some(lock.lock().await) } else { None };
    done.notified().await;
    low.detach();
    now() - asked
}

fn main() -> io::Result<()> {
    println!("without ranks: {:?}", waited(Class::NORMAL, timer())?);
    println!("with a rank: {:?}", waited(Class::RT, timer())?);
    println!("behind a task of low rank: {:?}", waited(Class::RT, needs(false))?);
    println!("behind its lock: {:?}", waited(Class::RT, needs(true))?);
    Ok(())
}
