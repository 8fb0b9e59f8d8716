//! One loop per core: who gets a connection, and how all of it ends.

mod ends;
mod panics;
mod stuck;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evented::cores::{Balance, Cores, Stop};
use evented::net::TcpStream;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::support::{BOUND, descriptors, in_own_process, threads, until_blocking};

fn cores(count: usize) -> Cores {
    Cores::builder().count(count).build().unwrap()
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Answers with the name of its thread until the other end has enough.
async fn name(mut stream: TcpStream, _stop: Stop) {
    let name = std::thread::current().name().unwrap().to_owned();
    let mut byte = [0];
    while stream.read(&mut byte).await.is_ok_and(|count| count > 0) {
        if stream.write_all(format!("{name}\n").as_bytes()).await.is_err() {
            break;
        }
    }
}

/// Asks a server for the name of the thread.
fn ask(stream: &mut StdStream) -> String {
    stream.write_all(b"?").unwrap();
    let mut name = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte).unwrap();
        name.push(byte[0]);
    }
    String::from_utf8(name).unwrap().trim_end().to_owned()
}

fn connect(address: SocketAddr) -> StdStream {
    let stream = StdStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream
}

#[test]
fn the_fewest_are_even_and_stay_so() {
    let cores = cores(4);
    let address = cores.serve(loopback(), Balance::Fewest, name).unwrap();
    let mut streams: Vec<StdStream> = (0..40).map(|_| connect(address)).collect();
    let mut names: Vec<String> = streams.iter_mut().map(ask).collect();
    assert_eq!(cores.connections(), [10, 10, 10, 10]);
    names.sort();
    for (index, names) in names.chunks(10).enumerate() {
        assert!(names.iter().all(|name| *name == format!("evented-core-{index}")), "{names:?}");
    }
    // Those of one loop go; it gets the next ones.
    streams.retain_mut(|stream| ask(stream) != "evented-core-2");
    until_blocking(|| cores.connections() == [10, 10, 0, 10]);
    for _ in 0..10 {
        let mut stream = connect(address);
        assert_eq!(ask(&mut stream), "evented-core-2");
        streams.push(stream);
    }
    assert_eq!(cores.connections(), [10, 10, 10, 10]);
    drop(streams);
    assert_eq!(cores.shutdown(BOUND).cut_off, 0);
}

#[test]
fn the_kernel_spreads_over_all() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let cores = cores(3);
    let address = cores.serve(loopback(), Balance::Kernel, name).unwrap();
    let mut streams: Vec<StdStream> = (0..200).map(|_| connect(address)).collect();
    let names: std::collections::BTreeSet<String> = streams.iter_mut().map(ask).collect();
    assert_eq!(names.len(), 3, "200 fair choices of 3 miss one less than once in 10^34: {names:?}");
    let each = cores.connections();
    assert_eq!(each.iter().sum::<usize>(), 200);
    drop(streams);
    let ended = cores.shutdown(BOUND);
    assert_eq!((ended.cut_off, ended.failures.len()), (0, 0));
    assert!(StdStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn tasks_take_turns_and_reach_every_loop() {
    let cores = cores(3);
    let tasks: Vec<_> = (0..6)
        .map(|n| {
            cores.spawn(
                move || async move { (n, std::thread::current().name().unwrap().to_owned()) },
            )
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let wanted = format!("evented-core-{}", n % 3);
        assert_eq!(task.join().unwrap(), (n, wanted));
    }
    let task = cores.handle(2).spawn(|| async { evented::handle() });
    assert!(!task.join().unwrap().is_closed());
    assert_eq!(cores.len(), 3);
}

#[test]
fn shutdown_has_its_phases() {
    let cores = cores(2);
    let (finished, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (ends, hears) = (Arc::clone(&finished), Arc::clone(&told));
    let address = cores
        .serve(loopback(), Balance::Fewest, move |mut stream, stop| {
            let (ends, hears) = (Arc::clone(&ends), Arc::clone(&hears));
            async move {
                assert!(!stop.is_requested());
                stream.write_all(b"!").await.unwrap();
                stop.requested().await;
                hears.fetch_add(1, Ordering::SeqCst);
                // The end of the conversation is the client's choice.
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                ends.fetch_add(1, Ordering::SeqCst);
            }
        })
        .unwrap();
    let mut streams: Vec<StdStream> = (0..5).map(|_| connect(address)).collect();
    for stream in &mut streams {
        stream.read_exact(&mut [0]).unwrap();
    }
    let client = std::thread::spawn({
        let told = Arc::clone(&told);
        move || {
            // All are told, on all loops, while their connections live.
            until_blocking(|| told.load(Ordering::SeqCst) == 5);
            // Nobody accepts any more by then.
            assert!(StdStream::connect(address).is_err());
            for stream in &streams {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            streams
        }
    });
    let ended = cores.shutdown(BOUND);
    drop(client.join().unwrap());
    assert_eq!((ended.cut_off, finished.load(Ordering::SeqCst)), (0, 5));
    assert!(ended.failures.is_empty());
}

#[test]
fn who_does_not_finish_is_cut_off() {
    let cores = cores(2);
    let address = cores
        .serve(loopback(), Balance::Fewest, |stream, _stop| async move {
            (&stream).write_all(b"!").await.unwrap();
            std::future::pending::<()>().await;
        })
        .unwrap();
    let mut streams: Vec<StdStream> = (0..3).map(|_| connect(address)).collect();
    for stream in &mut streams {
        stream.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(cores.shutdown(Duration::from_millis(5)).cut_off, 3);
    for stream in &mut streams {
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "it is closed");
    }
}

#[test]
fn a_handler_that_panics_ends_its_connection_only() {
    let cores = cores(2);
    let address = cores
        .serve(loopback(), Balance::Fewest, |stream, stop| async move {
            let mut byte = [0];
            (&stream).read_exact(&mut byte).await.unwrap();
            assert_ne!(byte, *b"p", "on purpose");
            (&stream).write_all(b"?").await.unwrap();
            name(stream, stop).await;
        })
        .unwrap();
    for _ in 0..4 {
        let mut stream = connect(address);
        stream.write_all(b"p").unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    }
    let mut stream = connect(address);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    assert!(ask(&mut stream).starts_with("evented-core-"));
    drop(stream);
    let panics: u64 = (0..2)
        .map(|index| {
            let task = cores.handle(index).spawn(|| async { evented::stats().panics });
            task.join().unwrap()
        })
        .sum();
    assert_eq!(panics, 4);
}

#[test]
fn nothing_is_left_and_mistakes_are_errors() {
    in_own_process("cores::nothing_is_left_and_mistakes_are_errors", || {
        let once = || {
            let cores = cores(3);
            let first = cores.serve(loopback(), Balance::Fewest, name).unwrap();
            let second = cores.serve(loopback(), Balance::default(), name).unwrap();
            assert!(cores.serve(first, Balance::Fewest, name).is_err(), "the address is taken");
            let mut streams = [connect(first), connect(second)];
            for stream in &mut streams {
                ask(stream);
            }
            // With connections alive, and without a word.
            drop(cores);
            for stream in &mut streams {
                assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
            }
        };
        once();
        let before = descriptors();
        for _ in 0..5 {
            once();
        }
        assert_eq!(descriptors(), before);
        until_blocking(|| threads() == 2);
        for count in [0, 1_000_000] {
            let error = Cores::builder().count(count).build().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        let reactor = evented::Reactor::builder().blocking_threads(0);
        assert!(Cores::builder().count(2).reactor(reactor).build().is_err());
        until_blocking(|| threads() == 2);
        // A task that has the last word does not wait for its own thread.
        let cores = Arc::new(std::sync::Mutex::new(Some(cores(2))));
        let inside = Arc::clone(&cores);
        let handle = cores.lock().unwrap().as_ref().unwrap().handle(1);
        handle.spawn(move || async move { drop(inside.lock().unwrap().take()) }).detach();
        until_blocking(|| cores.lock().unwrap().is_none() && threads() == 2);
        assert_eq!(descriptors(), before);
        // Inside of a reactor it would block that.
        let panic = std::panic::catch_unwind(|| {
            evented::block_on(async { Cores::new().unwrap().shutdown(Duration::ZERO).cut_off })
        });
        assert!(panic.is_err());
    });
}

/// A loop waits in its end for the closures of its pool, so these cannot wait for the loop.
#[test]
fn who_ends_them_in_a_closure_of_their_own_waits_for_nobody() {
    let name = "cores::who_ends_them_in_a_closure_of_their_own_waits_for_nobody";
    in_own_process(name, || {
        let last = Arc::new(std::sync::Mutex::new(Some(cores(2))));
        let inside = Arc::clone(&last);
        let handle = last.lock().unwrap().as_ref().unwrap().handle(0);
        let closure = move || drop(inside.lock().unwrap().take());
        handle.spawn(move || async move { evented::blocking(closure).await.ok() }).detach();
        until_blocking(|| threads() == 2);
        assert!(last.lock().unwrap().is_none());
        // To shut them down there would last for ever, so it is refused, and they end all the same.
        let cores = cores(2);
        let handle = cores.handle(0);
        let (says, said) = std::sync::mpsc::channel();
        let closure = move || {
            let shut_down = std::panic::AssertUnwindSafe(|| cores.shutdown(Duration::ZERO).cut_off);
            says.send(std::panic::catch_unwind(shut_down).is_err()).unwrap();
        };
        handle.spawn(move || async move { evented::blocking(closure).await.ok() }).detach();
        assert!(said.recv_timeout(BOUND).unwrap());
        until_blocking(|| threads() == 2);
    });
}
