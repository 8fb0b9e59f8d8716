//! Regular files: what becomes of what was accepted, and of errors.

use std::fs::File;
use std::process::Stdio;
use std::sync::mpsc;

use evented::stdio::{stdin, stdout};
use evented::{Blocking, Reactor, blocking};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{child, ends_well, is_child};
use crate::support::{bounded, poll_once, until};

/// Keeps the only thread of the pool until the sender is dropped.
fn keep_busy() -> (mpsc::Sender<()>, Blocking<bool>) {
    let (free, busy) = mpsc::channel::<()>();
    let mut waits = blocking(move || busy.recv().is_err());
    assert!(poll_once(&mut waits).is_pending());
    (free, waits)
}

/// A reactor with one thread for files.
fn reactor() -> Reactor {
    Reactor::builder().blocking_threads(1).build().unwrap()
}

#[test]
fn the_last_write_of_a_handle_that_is_dropped_is_carried_out() {
    if is_child() {
        return reactor().block_on(bounded(async {
            let (free, waits) = keep_busy();
            let mut output = stdout().unwrap();
            output.write_all(b"<last>\n").await.unwrap();
            drop(output);
            drop(free);
            assert!(waits.await.unwrap());
            until(|| evented::stats().tasks == 0).await;
        }));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let output = File::options().append(true).create(true).open(&path).unwrap();
    let name = "files::the_last_write_of_a_handle_that_is_dropped_is_carried_out";
    ends_well(child(name, Stdio::null(), output));
    assert!(std::fs::read_to_string(&path).unwrap().contains("<last>\n"));
}

#[test]
fn errors_come_with_the_call_or_with_the_next_one() {
    if is_child() {
        reactor().block_on(bounded(async {
            let error = stdin().unwrap().read(&mut [0]).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(9), "EBADF: {error}");
            let (free, waits) = keep_busy();
            let mut output = stdout().unwrap();
            output.write_all(b"accepted").await.unwrap();
            drop(free);
            assert!(waits.await.unwrap());
            assert_eq!(output.flush().await.unwrap_err().raw_os_error(), Some(9));
            output.flush().await.unwrap();
            let (free, waits) = keep_busy();
            output.write_all(b"accepted").await.unwrap();
            drop(free);
            assert!(waits.await.unwrap());
            assert_eq!(output.write(b"next").await.unwrap_err().raw_os_error(), Some(9));
        }));
        // libtest has something to say about success, which nobody can hear.
        std::process::exit(0);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let (input, output) = (File::create(&path).unwrap(), File::open(&path).unwrap());
    ends_well(child("files::errors_come_with_the_call_or_with_the_next_one", input, output));
}
