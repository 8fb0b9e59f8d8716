//! What is known of the readiness of a stream is never more than what is there, and never less.
//!
//! A read that gives less than was asked for has emptied a stream, as a rule, and the next one is not tried
//! before an event: here are the exceptions, and directions that are not watched yet.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::pin::pin;

use evented::net::TcpStream;
use evented::{block_on, spawn, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};

use crate::support::{BOUND, bounded, poll_once};

/// One end of a connection on the loop, where a read has had to wait, and the other one off it.
fn watched_and_far() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_nodelay(true).unwrap();
    let near = TcpStream::from_std(listener.accept().unwrap().0).unwrap();
    let mut stream = &near;
    assert!(poll_once(&mut pin!(stream.read(&mut [0; 8]))).is_pending());
    (near, far)
}

/// Waits, without the loop, until the system says this of a stream.
fn until_system_says(stream: &TcpStream, flags: PollFlags) {
    let bound = Timespec { tv_sec: BOUND.as_secs().try_into().unwrap(), tv_nsec: 0 };
    let mut asked = [PollFd::new(stream, flags)];
    assert_eq!(poll(&mut asked, Some(&bound)), Ok(1), "it does not come");
}

/// Reads as often, with more room than there is to read; what each read gave.
async fn reads(mut stream: &TcpStream, count: usize) -> Vec<io::Result<Vec<u8>>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut buffer = [0; 64];
        let read = bounded(stream.read(&mut buffer)).await;
        all.push(read.map(|read| buffer[..read].to_vec()));
    }
    all
}

/// A read stops in front of urgent data, so that it gives less than was asked for although there is more,
/// of which nothing will be said: it was there before.
#[test]
fn what_comes_after_urgent_data_is_read() {
    block_on(async {
        let (near, mut far) = watched_and_far();
        for round in 0..3_u8 {
            far.write_all(&[round, 1]).unwrap();
            assert_eq!(send(&far, b"!", SendFlags::OOB).unwrap(), 1);
            far.write_all(&[round, 2]).unwrap();
            until_system_says(&near, PollFlags::PRI);
            let all = reads(&near, 2).await;
            assert_eq!(all[0].as_ref().unwrap(), &[round, 1]);
            assert_eq!(all[1].as_ref().unwrap(), &[round, 2]);
        }
    });
}

/// The same, when the end has come together with the data.
#[test]
fn the_end_is_read_after_a_short_read() {
    block_on(async {
        let (near, mut far) = watched_and_far();
        far.write_all(b"last").unwrap();
        far.shutdown(Shutdown::Write).unwrap();
        until_system_says(&near, PollFlags::RDHUP);
        let all = reads(&near, 3).await;
        assert_eq!(
            all.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [&b"last"[..], b"", b""]
        );
    });
}

/// The same with an error: a connection that is closed with something unread is reset.
#[test]
fn an_error_is_read_after_a_short_read() {
    block_on(async {
        let (mut near, mut far) = watched_and_far();
        near.write_all(b"never read").await.unwrap();
        far.write_all(b"last").unwrap();
        drop(far);
        until_system_says(&near, PollFlags::HUP);
        // The system may drop what was there with the connection.
        let all = reads(&near, 3).await;
        assert!(
            all.iter().any(|read| read.as_ref().is_ok_and(|data| data == b"last") || read.is_err())
        );
        assert!(all[2].as_ref().is_ok_and(Vec::is_empty), "{all:?}");
    });
}

/// What comes between a read and the next wait for an event, and what comes in several pieces.
#[test]
fn what_comes_after_a_short_read_is_read() {
    block_on(async {
        let (near, mut far) = watched_and_far();
        for n in 0..200_u8 {
            far.write_all(&[n]).unwrap();
            until_system_says(&near, PollFlags::IN);
            if n % 3 == 0 {
                // The loop has heard of it before it is read.
                yield_now().await;
            }
            assert_eq!(reads(&near, 1).await.remove(0).unwrap(), [n]);
        }
        far.write_all(&[7; 40]).unwrap();
        until_system_says(&near, PollFlags::IN);
        let mut stream = &near;
        for _ in 0..4 {
            // Not short: there may be more.
            let mut ten = [0; 10];
            assert_eq!(bounded(stream.read(&mut ten)).await.unwrap(), 10);
        }
        assert!(poll_once(&mut pin!(stream.read(&mut [0; 10]))).is_pending());
    });
}

/// While one waits to read, writing is not watched: writes are tried until one would block, and are watched
/// from then on.
#[test]
fn a_write_that_blocks_is_watched_beside_a_read_that_waits() {
    const SIZE: usize = 8 << 20;
    block_on(async {
        let (near, mut far) = watched_and_far();
        let mut writer = &near;
        writer.write_all(b"tried at once").await.unwrap();
        let mut got = [0; 13];
        far.read_exact(&mut got).unwrap();
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; SIZE];
            far.read_exact(&mut all).unwrap();
            far.write_all(b"got it").unwrap();
            all.iter().all(|&byte| byte == 9)
        });
        let near = std::rc::Rc::new(near);
        let waiting = std::rc::Rc::clone(&near);
        let answer = spawn(async move {
            let mut answer = [0; 6];
            (&*waiting).read_exact(&mut answer).await.map(|()| answer)
        });
        bounded((&*near).write_all(&vec![9; SIZE])).await.unwrap();
        assert_eq!(bounded(answer).await.unwrap().unwrap(), *b"got it");
        assert!(reader.join().unwrap());
    });
}
