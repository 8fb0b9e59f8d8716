//! Standard input and output: as a terminal, pipe, socket and file, shared with others.

mod files;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use evented::stdio::{stderr, stdin, stdout};
use evented::{Reactor, block_on, blocking, spawn};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, io::BufReader};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{BOUND, bounded, descriptors, poll_once, until_blocking};

const MARK: &str = "EVENTED_TEST_STDIO";

/// Whether this process is a child that a test below has started.
fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs a test of this file in a child with these descriptors.
fn child(test: &str, input: impl Into<Stdio>, output: impl Into<Stdio>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("stdio::{test}"), "--exact", "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .stdin(input)
        .stdout(output)
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Copies standard input to standard error of this process, to its end, and says so.
fn echo() {
    block_on(bounded(async {
        let before = descriptors();
        let mut input = BufReader::new(stdin().unwrap());
        let mut output = stdout().unwrap();
        let mut line = String::new();
        while input.read_line(&mut line).await.unwrap() > 0 {
            output.write_all(format!("<{}>\n", line.trim_end()).as_bytes()).await.unwrap();
            output.flush().await.unwrap();
            line.clear();
        }
        output.write_all(b"<end>\n").await.unwrap();
        output.close().await.unwrap();
        drop((input, output));
        assert_eq!(descriptors(), before);
    }));
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// Reads until the text has come.
fn read_until(source: &mut impl Read, wanted: &str) -> String {
    let (mut got, mut buffer) = (String::new(), [0; 512]);
    while !got.contains(wanted) {
        let count = source.read(&mut buffer).unwrap();
        assert!(count > 0, "the end came before {wanted:?}: {got}");
        got.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    got
}

fn ends_well(mut child: Child) {
    let start = std::time::Instant::now();
    until_blocking(|| child.try_wait().unwrap().is_some() || start.elapsed() > BOUND);
    assert!(child.wait().unwrap().success());
}

#[test]
fn pipes() {
    if is_child() {
        return echo();
    }
    let (input, mut to_child) = std::io::pipe().unwrap();
    let (mut from_child, output) = std::io::pipe().unwrap();
    let (shared_in, shared_out) = (input.try_clone().unwrap(), output.try_clone().unwrap());
    let child = child("pipes", input, output);
    to_child.write_all(b"one\n").unwrap();
    read_until(&mut from_child, "<one>");
    // It waits for input now, or is about to.
    assert!(!is_nonblocking(&shared_in) && !is_nonblocking(&shared_out));
    to_child.write_all(b"two\nthree").unwrap();
    drop(to_child);
    read_until(&mut from_child, "<end>");
    ends_well(child);
    assert!(!is_nonblocking(&shared_in) && !is_nonblocking(&shared_out));
}

/// Both sides of a new terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
    (master, terminal)
}

/// To open that side once more would make another terminal, of which nobody has the other side.
#[test]
fn the_side_of_a_terminal_on_which_its_program_is() {
    if is_child() {
        return block_on(bounded(async {
            let mut line = String::new();
            BufReader::new(stdin().unwrap()).read_line(&mut line).await.unwrap();
            assert_eq!(line.trim_end(), "written");
        }));
    }
    let (master, terminal) = terminal();
    let child = child("the_side_of_a_terminal_on_which_its_program_is", master, Stdio::null());
    File::from(terminal.try_clone().unwrap()).write_all(b"written\n").unwrap();
    ends_well(child);
}

#[test]
fn a_terminal() {
    if is_child() {
        return echo();
    }
    let (master, terminal) = terminal();
    let settings = rustix::termios::tcgetattr(&terminal).unwrap();
    let copy = || terminal.try_clone().unwrap();
    let child = child("a_terminal", copy(), copy());
    let mut master = File::from(master);
    master.write_all(b"typed\n").unwrap();
    read_until(&mut master, "<typed>");
    assert!(!is_nonblocking(&terminal), "nobody else is affected");
    // Ctrl-D on an empty line.
    master.write_all(&[4]).unwrap();
    read_until(&mut master, "<end>");
    ends_well(child);
    assert!(!is_nonblocking(&terminal));
    let after = rustix::termios::tcgetattr(&terminal).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{after:?}"));
}

#[test]
fn regular_files() {
    if is_child() {
        return echo();
    }
    let mut input = tempfile::tempfile().unwrap();
    let lines = |before: &str, after: &str| {
        let lines = (0..20_000).map(|n| format!("{before}line {n}{after}\n"));
        lines.collect::<Vec<String>>().concat()
    };
    let text = lines("", "");
    input.write_all(text.as_bytes()).unwrap();
    input.seek(SeekFrom::Start(0)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    std::fs::write(&path, "before\n").unwrap();
    let output = File::options().append(true).open(&path).unwrap();
    ends_well(child("regular_files", input.try_clone().unwrap(), output));
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.starts_with("before\n"), "it is appended to");
    let wanted = lines("<", ">") + "<end>\n";
    assert!(written.contains(&wanted), "all lines, in order");
    // The place in the file is the shared one: the next program goes on where this one ended.
    assert_eq!(input.stream_position().unwrap(), text.len() as u64);
}

#[test]
fn a_read_of_a_file_that_was_given_up_loses_nothing() {
    if is_child() {
        let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
        return reactor.block_on(bounded(async {
            let mut input = stdin().unwrap();
            // The only thread is busy until `free` is dropped.
            let (free, busy) = std::sync::mpsc::channel::<()>();
            let mut waits = blocking(move || busy.recv().is_err());
            assert!(poll_once(&mut waits).is_pending());
            // Then it reads all of it, and nobody waits for that.
            assert!(poll_once(&mut input.read(&mut [0; 1000])).is_pending());
            drop(free);
            assert!(waits.await.unwrap());
            let (mut got, mut buffer) = (Vec::new(), [0; 7]);
            loop {
                match input.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => got.extend_from_slice(&buffer[..count]),
                }
            }
            assert_eq!(got, (0..=99).collect::<Vec<u8>>());
        }));
    }
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(&(0..=99).collect::<Vec<u8>>()).unwrap();
    input.seek(SeekFrom::Start(0)).unwrap();
    ends_well(child("a_read_of_a_file_that_was_given_up_loses_nothing", input, Stdio::null()));
}

#[test]
fn sockets() {
    if is_child() {
        return echo();
    }
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let shared = theirs.try_clone().unwrap();
    let copy = OwnedFd::from(theirs.try_clone().unwrap());
    let child = child("sockets", OwnedFd::from(theirs), copy);
    ours.write_all(b"one\n").unwrap();
    read_until(&mut ours, "<one>");
    assert!(!is_nonblocking(&shared));
    ours.write_all(b"two\n").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    read_until(&mut ours, "<end>");
    ends_well(child);
    assert!(!is_nonblocking(&shared));
}

#[test]
fn nothing_to_read_and_nobody_who_reads() {
    if is_child() {
        block_on(bounded(async {
            assert_eq!(stdin().unwrap().read(&mut [0]).await.unwrap(), 0);
            let mut output = stdout().unwrap();
            // Larger than any pipe: it has to wait, and the reader goes away meanwhile.
            let error = output.write_all(&vec![b'\n'; 1 << 20]).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            let mut errors = stderr().unwrap();
            errors.write_all(b"").await.unwrap();
            errors.flush().await.unwrap();
        }));
        // libtest has something to say about success, which nobody can hear.
        std::process::exit(0);
    }
    let mut child = child("nothing_to_read_and_nobody_who_reads", Stdio::null(), Stdio::piped());
    let mut output = child.stdout.take().unwrap();
    read_until(&mut output, "\n\n\n\n\n\n\n\n");
    drop(output);
    ends_well(child);
}

#[test]
fn the_loop_goes_on_while_input_is_waited_for() {
    if is_child() {
        return block_on(bounded(async {
            let reader = spawn(async {
                let mut text = String::new();
                stdin().unwrap().read_to_string(&mut text).await.map(|_| text)
            });
            let mut output = stdout().unwrap();
            for n in 0..3 {
                evented::sleep(std::time::Duration::from_millis(1)).await;
                output.write_all(format!("<tick {n}>\n").as_bytes()).await.unwrap();
            }
            assert_eq!(reader.await.unwrap().unwrap(), "late");
        }));
    }
    let mut child =
        child("the_loop_goes_on_while_input_is_waited_for", Stdio::piped(), Stdio::piped());
    let mut output = child.stdout.take().unwrap();
    read_until(&mut output, "<tick 2>");
    child.stdin.take().unwrap().write_all(b"late").unwrap();
    output.read_to_end(&mut Vec::new()).unwrap();
    ends_well(child);
}
