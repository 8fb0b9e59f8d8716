//! Handlers that panic: who hears of it, and who goes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use evented::JoinError;
use evented::cores::Balance;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{connect, cores, loopback};
use crate::support::{BOUND, in_own_process, until_blocking};

/// Whether the other end has closed the connection without a word.
fn is_cut(stream: &mut StdStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

/// Sends a byte and waits for the same.
fn echoes(address: SocketAddr) -> bool {
    let mut stream = connect(address);
    let mut byte = [0];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok() && byte == *b"x"
}

/// The hook is one of the process.
#[test]
fn all_of_them_are_heard() {
    in_own_process("cores::panics::all_of_them_are_heard", || {
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        std::panic::set_hook(Box::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        let calls = AtomicUsize::new(0);
        let calls = Arc::new(calls);
        let cores = cores(2);
        let address = cores
            .serve(loopback(), Balance::Fewest, move |mut stream, _stop| {
                // The first three before there is a future, the others in it.
                let n = calls.fetch_add(1, Ordering::SeqCst);
                assert!(n >= 3, "at once, {n}");
                async move {
                    assert!(n >= 5, "later, {n}");
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        stream.write_all(&byte).await.unwrap();
                    }
                }
            })
            .unwrap();
        for n in 0..5 {
            assert!(is_cut(&mut connect(address)), "connection {n}");
        }
        assert!(echoes(address) && echoes(address), "both loops go on");
        // A connection counts until its task is gone.
        until_blocking(|| cores.connections() == [0, 0]);
        let ended = cores.shutdown(BOUND);
        assert_eq!((ended.panicked, ended.cut_off, ended.failures.len()), (5, 0, 0));
        assert_eq!(ended.first_panic.as_deref(), Some("at once, 0"));
        assert_eq!(heard.load(Ordering::SeqCst), 5);
    });
}

/// Panics while it is cloned, once it was told to.
struct Fragile(Arc<AtomicBool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.0.load(Ordering::SeqCst), "fragile");
        Self(Arc::clone(&self.0))
    }
}

#[test]
fn a_handler_that_cannot_be_cloned_ends_accepting_and_is_a_failure() {
    let cores = cores(2);
    let breaks = Arc::new(AtomicBool::new(false));
    let fragile = Fragile(Arc::clone(&breaks));
    let address = cores
        .serve(loopback(), Balance::Fewest, move |mut stream, _stop| {
            let fragile = fragile.clone();
            async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
                drop(fragile);
            }
        })
        .unwrap();
    let mut before = connect(address);
    before.write_all(b"x").unwrap();
    before.read_exact(&mut [0]).unwrap();
    breaks.store(true, Ordering::SeqCst);
    assert!(is_cut(&mut connect(address)));
    until_blocking(|| StdStream::connect(address).is_err());
    // The connection that there is goes on, and so do both loops.
    before.write_all(b"y").unwrap();
    before.read_exact(&mut [0]).unwrap();
    for _ in 0..2 {
        assert_eq!(cores.spawn(|| async { 7 }).join().unwrap(), 7);
    }
    drop(before);
    let ended = cores.shutdown(BOUND);
    assert_eq!((ended.panicked, ended.cut_off), (0, 0));
    let [failure] = &ended.failures[..] else { panic!("{:?}", ended.failures) };
    assert!(failure.to_string().contains("panicked: fragile"), "{failure}");
    assert!(failure.to_string().contains("cores/panics.rs"), "where it was given: {failure}");
    let inner = failure.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(inner, Some(JoinError::Panicked(_))), "{failure:?}");
}

/// A drop that panics while its connection ends by a panic does not end the process.
#[test]
fn a_panic_upon_a_panic() {
    struct Bomb;
    impl Future for Bomb {
        type Output = ();
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<()> {
            panic!("the first")
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the second");
        }
    }
    let cores = cores(1);
    let address = cores.serve(loopback(), Balance::Fewest, |_, _| Bomb).unwrap();
    assert!(is_cut(&mut connect(address)));
    until_blocking(|| cores.connections() == [0]);
    let ended = cores.shutdown(Duration::ZERO);
    assert_eq!((ended.panicked, ended.first_panic.as_deref()), (1, Some("the first")));
}
