//! What the tests share.

use std::future::{Future, poll_fn};
use std::io::{self, Read, Seek};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use evented::net::{TcpListener, TcpStream};
use evented::record::{TaskReport, TaskState, WaitsFor};
use evented::sleep;
use rustix::net::{AddressFamily, SocketType};

/// No condition takes this long, on any machine.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// `usual`, or `long` rounds with `TRIPTYCH_LONG=1`, which `cargo xtask verify` sets.
pub(crate) fn rounds(usual: u32, long: u32) -> u32 {
    if std::env::var_os("TRIPTYCH_LONG").is_some_and(|value| value == "1") { long } else { usual }
}

/// Waits inside a reactor until `condition` holds.
///
/// # Panics
///
/// When it does not within [`BOUND`].
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "the condition did not come true");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Waits inside a reactor until so many of its tasks wait for descriptors.
pub(crate) async fn until_readers_wait(count: usize) {
    let waits = |task: &&TaskReport| {
        task.state == TaskState::Waiting && matches!(task.waits_for, WaitsFor::Io { .. })
    };
    let dump = || evented::handle().dump().expect("it is alive");
    until(|| dump().tasks.iter().filter(waits).count() == count).await;
}

/// As [`until`], outside a reactor.
pub(crate) fn until_blocking(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "the condition did not come true");
        thread::yield_now();
    }
}

/// Fails instead of hanging.
pub(crate) async fn bounded<F: Future>(future: F) -> F::Output {
    evented::timeout(BOUND, future).await.expect("it takes less than the bound")
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Two ends of a connection.
pub(crate) async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// An address at which nobody listens while what has it is kept.
pub(crate) fn nobody() -> (OwnedFd, SocketAddr) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    let address = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address)
}

/// Runs the test `name` in a process of its own, for what is a matter of the whole process. In that
/// process it runs `body`.
pub(crate) fn in_own_process(name: &str, body: impl FnOnce()) {
    const MARK: &str = "EVENTED_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    // No pipes: children of it that go on when it has failed would keep their ends.
    let mut said = tempfile::tempfile().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .stdout(said.try_clone().unwrap())
        .stderr(said.try_clone().unwrap())
        .status()
        .unwrap();
    said.rewind().unwrap();
    let mut bytes = Vec::new();
    said.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(status.success(), "{name} failed in its own process:\n{text}");
    assert!(text.contains("1 passed"), "no test is called {name}:\n{text}");
}

/// Where a program's reactors have their records. One that is killed leaves them behind: they go with this.
pub(crate) struct Records(tempfile::TempDir);

impl Records {
    /// Tells the program.
    pub(crate) fn of(command: &mut Command) -> Self {
        let place = tempfile::tempdir().unwrap();
        command.env("XDG_RUNTIME_DIR", place.path());
        Self(place)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        std::fs::read_dir(self.0.path().join("evented")).map_or(0, Iterator::count)
    }
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// What waits so many times for a wake of another thread, and
/// that thread, which ends with it.
pub(crate) fn woken_by_another_thread(
    rounds: u64,
) -> (impl Future<Output = ()> + 'static, JoinHandle<()>) {
    let (to_thread, from_task) = mpsc::channel::<(u64, Waker)>();
    let answer = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&answer);
    let thread = thread::spawn(move || {
        for (round, waker) in from_task {
            answer.store(round, Ordering::Release);
            waker.wake();
        }
    });
    let wakes = async move {
        for round in 1..=rounds {
            let mut sent = false;
            poll_fn(|cx| {
                if !mem::replace(&mut sent, true) {
                    to_thread.send((round, cx.waker().clone())).unwrap();
                }
                let is_there = seen.load(Ordering::Acquire) == round;
                if is_there { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    };
    (wakes, thread)
}
