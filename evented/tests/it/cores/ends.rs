//! What the end waits for, and for how long.

use std::net::TcpStream as StdStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use evented::blocking;
use evented::cores::Balance;

use super::{ask, connect, cores, loopback, name};
use crate::support::{BOUND, until_blocking};

/// There is no limit to the wait for connections: it ends with the last one.
#[test]
fn the_last_connection_ends_the_wait() {
    let cores = cores(2);
    let address = cores.serve(loopback(), Balance::Fewest, name).unwrap();
    let mut streams: Vec<StdStream> = (0..3).map(|_| connect(address)).collect();
    for stream in &mut streams {
        ask(stream);
    }
    let end = std::thread::spawn(move || cores.shutdown(Duration::MAX));
    // It waits for connections once nobody accepts any more.
    until_blocking(|| StdStream::connect(address).is_err());
    assert!(!end.is_finished());
    drop(streams);
    until_blocking(|| end.is_finished());
    let ended = end.join().unwrap();
    assert_eq!((ended.cut_off, ended.failures.len()), (0, 0));
}

/// Connections are told when nobody accepts any more, and not before.
#[test]
fn nobody_is_told_while_somebody_accepts() {
    let cores = cores(2);
    let (tells, hears) = mpsc::channel();
    let address = cores
        .serve(loopback(), Balance::Fewest, move |stream, stop| {
            let tells = tells.clone();
            async move {
                let _ = tells.send("connected");
                stop.requested().await;
                let _ = tells.send("told");
                drop(stream);
            }
        })
        .unwrap();
    // One on each loop.
    let _streams = [connect(address), connect(address)];
    assert_eq!([(); 2].map(|()| hears.recv_timeout(BOUND).unwrap()), ["connected"; 2]);
    // The loop with the listener cannot close it for a while; the other one could tell.
    let (says, said) = mpsc::channel();
    let wait = move || says.send(hears.recv_timeout(Duration::from_millis(200)).err()).unwrap();
    cores.handle(0).call(wait).unwrap();
    assert_eq!(cores.shutdown(BOUND).cut_off, 0);
    assert_eq!(said.recv_timeout(BOUND).unwrap(), Some(mpsc::RecvTimeoutError::Timeout));
}

/// What a loop waits for in the end may wait for the end of another loop.
#[test]
fn loops_end_at_the_same_time() {
    let cores = cores(2);
    let ended = Arc::new(AtomicUsize::new(0));
    let (begins, begun) = mpsc::channel();
    for (own, other) in [(0, 1), (1, 0)] {
        let (other, ended, begins) = (cores.handle(other), Arc::clone(&ended), begins.clone());
        let waits = move || {
            begins.send(()).unwrap();
            until_blocking(|| other.is_closed());
            ended.fetch_add(1, Ordering::SeqCst);
        };
        cores.handle(own).spawn(move || async move { blocking(waits).await }).detach();
    }
    for _ in 0..2 {
        begun.recv_timeout(BOUND).unwrap();
    }
    cores.shutdown(Duration::ZERO);
    assert_eq!(ended.load(Ordering::SeqCst), 2, "a loop has waited for the other one");
}

/// Somebody has ended the loop that accepts: that is no failure of the server, and the others go on.
#[test]
fn a_loop_that_was_ended_before_is_no_failure() {
    let cores = cores(2);
    let address = cores.serve(loopback(), Balance::Fewest, name).unwrap();
    cores.handle(0).shutdown().unwrap();
    until_blocking(|| cores.handle(0).is_closed());
    assert!(StdStream::connect(address).is_err(), "nobody listens");
    assert_eq!(cores.handle(1).spawn(|| async { 7 }).join().unwrap(), 7);
    let ended = cores.shutdown(BOUND);
    assert_eq!((ended.cut_off, ended.failures.len()), (0, 0));
}
