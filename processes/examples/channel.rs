//! Values that stream from workers to whoever consumes them, with an end that nobody has to announce.
//!
//! `cargo run -p processes --example processes_channel`

use processes::{Pool, RecvError, SendError, Sender, channel, spawn};

/// Sends the primes from `start` on, and then drops its end.
fn primes((send, start): (Sender<u64>, u64)) {
    let is_prime =
        |n: &u64| *n > 1 && (2..*n).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    for prime in (start..start + 1_000).filter(is_prime) {
        send.send(prime).expect("somebody receives");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let pool = Pool::new(2)?;
    // Small: a sender that is too fast waits for room.
    let (send, receive) = channel(8)?;
    let calls: Vec<_> = (0..10).map(|n| pool.submit(primes, (send.clone(), n * 1_000))).collect();
    // The last sender in this process; from now on only the calls have one.
    drop(send);
    let (mut count, mut largest) = (0, 0);
    for prime in receive.iter() {
        (count, largest) = (count + 1, largest.max(prime?));
    }
    println!("{count} primes, the largest is {largest}");
    calls.into_iter().try_for_each(processes::JoinHandle::join)?;

    // A process that dies is one sender less.
    let (send, receive) = channel::<u64>(8)?;
    let crash = |send: Sender<u64>| {
        send.send(7).expect("somebody receives");
        std::process::abort()
    };
    let call = spawn::<_, ()>(crash, send)?;
    println!("before it died: {:?}, then: {:?}", receive.recv(), receive.recv());
    println!("a crash: {}, nothing more: {}", call.join().is_err(), ends(&receive.try_recv()));

    // And without a receiver there is nobody to send to.
    let (send, receive) = channel(8)?;
    drop(receive);
    println!("gone: {}", matches!(send.send(1), Err(SendError::Disconnected(1))));
    Ok(())
}

/// Whether that is the end.
fn ends(result: &Result<u64, RecvError>) -> bool {
    *result == Err(RecvError::Disconnected)
}
