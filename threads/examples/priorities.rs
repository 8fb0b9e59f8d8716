//! Priorities: what a free worker begins first.

use std::sync::mpsc;
use threads::{JobOptions, Pool, Priority};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new(1)?;
    // The only worker is busy until everything is queued.
    let (open, gate) = mpsc::channel::<()>();
    let busy = pool.spawn(move || gate.recv().is_err());

    let (send, begun) = mpsc::channel();
    for (name, priority) in [
        ("index the archive", Priority::Low),
        ("render a page", Priority::Normal),
        ("answer a ping", Priority::High),
    ] {
        let send = send.clone();
        let options = JobOptions::new().priority(priority);
        drop(pool.spawn_with(options, move || send.send(name)));
    }
    drop((open, send));
    assert!(busy.join()?);
    for name in begun {
        println!("{name}");
    }
    Ok(())
}
