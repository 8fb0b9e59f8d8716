//! Watching descriptors of any kind.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use evented::net::Watch;
use evented::{Reactor, block_on, spawn, timeout, yield_now};
use futures_lite::future::poll_once;
use rustix::fs::OFlags;

use crate::support::bounded;

#[test]
fn a_blocking_pipe_is_read_and_written_and_stays_blocking() {
    block_on(bounded(async {
        let (reader, writer) = io::pipe().unwrap();
        let (reader, writer) = (Watch::new(reader).unwrap(), Watch::new(writer).unwrap());
        let reads = spawn(async move {
            let mut total = 0;
            let mut buffer = [0; 1000];
            loop {
                match reader.read_with(|mut pipe| pipe.read(&mut buffer)).await.unwrap() {
                    0 => return (total, reader),
                    count => total += count,
                }
            }
        });
        let mut left = 300_000;
        while left > 0 {
            let piece = vec![1; left.min(4096)];
            left -= writer.write_with(|mut pipe| pipe.write(&piece)).await.unwrap();
        }
        assert!(!rustix::fs::fcntl_getfl(&writer).unwrap().contains(OFlags::NONBLOCK));
        drop(writer);
        let (total, reader) = reads.await.unwrap();
        assert_eq!(total, 300_000);
        assert!(!rustix::fs::fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
    }));
}

#[test]
fn readiness_is_right_whoever_reads_in_between() {
    block_on(bounded(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let watch = Watch::new(reader).unwrap();
        assert!(timeout(Duration::from_millis(1), watch.readable()).await.is_err());
        writer.write_all(b"abc").unwrap();
        watch.readable().await.unwrap();
        // Not read: it still is.
        watch.readable().await.unwrap();
        let mut byte = [0];
        watch.get_ref().read_exact(&mut byte).unwrap();
        watch.readable().await.unwrap();
        watch.get_ref().read_exact(&mut [0; 2]).unwrap();
        // The cache was set by an event, and nothing has told it of those reads.
        assert!(timeout(Duration::from_millis(1), watch.readable()).await.is_err());
        writer.write_all(b"d").unwrap();
        watch.readable().await.unwrap();
        drop(writer);
        watch.get_ref().read_exact(&mut byte).unwrap();
        watch.readable().await.unwrap();
        assert_eq!(watch.get_ref().read(&mut byte).unwrap(), 0, "the end is readable");
    }));
}

#[test]
fn regular_files_are_refused_and_told_where_to_go() {
    let file = tempfile::tempfile().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (refused, what) in
        [(file, "a regular file"), (File::open(directory.path()).unwrap(), "a directory")]
    {
        let error = Watch::new(refused).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("evented::blocking"), "{text}");
    }
    // Some devices are refused by epoll, but never have to wait.
    block_on(bounded(async {
        let null = Watch::new(File::open("/dev/null").unwrap()).unwrap();
        null.readable().await.unwrap();
        assert_eq!(null.read_with(|mut file| file.read(&mut [0])).await.unwrap(), 0);
        let error = null
            .read_with(|_| Err::<(), _>(io::ErrorKind::WouldBlock.into()))
            .await
            .expect_err("a call that says it would block cannot be waited for here");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        // An error of the call itself is passed on.
        let denied = || io::Error::from(rustix::io::Errno::PERM);
        let error = null.read_with(|_| Err::<(), _>(denied())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }));
}

#[test]
fn a_descriptor_that_is_open_elsewhere_leaves_the_poll_set() {
    let reactor = Reactor::new().unwrap();
    let (reader, mut writer) = io::pipe().unwrap();
    let other = reader.try_clone().unwrap();
    let watch = Watch::new(reader).unwrap();
    reactor.block_on(async {
        assert!(timeout(Duration::from_millis(1), watch.readable()).await.is_err());
        assert_eq!(evented::stats().sources, 1);
    });
    // Outside of the reactor, and inside of another one.
    Reactor::new().unwrap().block_on(async move { drop(watch) });
    assert_eq!(reactor.stats().sources, 0);
    reactor.block_on(bounded(async {
        // Watched once more under another number, it is not mistaken for the first.
        let watch = Rc::new(Watch::new(other.as_fd()).unwrap());
        assert!(timeout(Duration::from_millis(1), watch.readable()).await.is_err());
        let waits = evented::stats().waits;
        writer.write_all(b"x").unwrap();
        watch.readable().await.unwrap();
        let turns = evented::stats().waits - waits;
        assert!(turns < 10, "one event and not two sets of them: {turns}");
    }));
}

#[test]
fn several_tasks_wait_for_both_directions() {
    block_on(bounded(async {
        let (one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        other.set_nonblocking(true).unwrap();
        let one = Rc::new(Watch::new(one).unwrap());
        let woken = Rc::new(Cell::new(0));
        while one.get_ref().write(&[0; 4096]).is_ok() {}
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let (one, woken) = (Rc::clone(&one), Rc::clone(&woken));
                spawn(async move {
                    if n % 2 == 0 { one.readable().await } else { one.writable().await }.unwrap();
                    woken.set(woken.get() + 1);
                })
            })
            .collect();
        yield_now().await;
        assert_eq!(woken.get(), 0);
        (&other).write_all(b"x").unwrap();
        let mut buffer = vec![0; 65536];
        while (&other).read(&mut buffer).is_ok_and(|count| count > 0) {}
        for task in tasks {
            task.await.unwrap();
        }
        let stream = Rc::into_inner(one).unwrap().into_inner().unwrap();
        assert_eq!((stream.peer_addr().is_ok(), evented::stats().sources), (true, 0));
    }));
}

/// A call that would block is made once, and again only after an event.
#[test]
fn a_call_that_would_block_is_made_once() {
    block_on(bounded(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let watch = Watch::new(near).unwrap();
        let calls = Cell::new(0);
        let read = || {
            watch.read_with(|mut near| {
                calls.set(calls.get() + 1);
                near.read(&mut [0; 8])
            })
        };
        let mut first = pin!(read());
        assert!(poll_once(&mut first).await.is_none());
        assert_eq!(calls.take(), 1);
        for _ in 0..3 {
            assert!(poll_once(&mut first).await.is_none());
        }
        assert_eq!(calls.take(), 0);
        far.write_all(b"!").unwrap();
        assert_eq!(first.await.unwrap(), 1);
        assert_eq!(calls.take(), 1);
        // Nobody has said yet that there is no more.
        assert!(poll_once(pin!(read())).await.is_none());
        assert_eq!(calls.take(), 1);
        // This direction is not watched yet.
        let chunk = vec![0; 1 << 16];
        let write = || {
            watch.write_with(|mut near| {
                calls.set(calls.get() + 1);
                near.write(&chunk)
            })
        };
        while poll_once(pin!(write())).await.is_some() {
            assert_eq!(calls.take(), 1);
        }
        assert_eq!(calls.take(), 1);
    }));
}
