//! Connecting to one of several addresses, in virtual time and over the loopback.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evented::net::{TcpListener, TcpStream, Watch, connect_happy, connect_happy_with};
use evented::{Reactor, block_on, now, sleep};

use crate::support::{bounded, descriptors, in_own_process, nobody};

/// What becomes of an attempt, and after how many milliseconds.
#[derive(Clone, Copy)]
enum Fate {
    Connects(u64),
    Fails(u64, io::ErrorKind),
    Never,
}

/// What happened in a race in virtual time.
struct Seen {
    /// When each attempt was made, in milliseconds from the start, and where to.
    made: Vec<(u64, SocketAddr)>,
    /// When it was over.
    ended_ms: u64,
    /// Attempts that are still alive afterwards.
    alive: u32,
    result: io::Result<SocketAddr>,
}

/// Counts those that are alive.
struct Alive(Rc<Cell<u32>>);

impl Alive {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn race(fates: &[(&str, Fate)]) -> Seen {
    let fates: Vec<(SocketAddr, Fate)> =
        fates.iter().map(|(address, fate)| (address.parse().unwrap(), *fate)).collect();
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let start = now();
        let since = move || u64::try_from((now() - start).as_millis()).unwrap();
        let (made, alive) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let addresses: Vec<SocketAddr> = fates.iter().map(|(address, _)| *address).collect();
        let result = connect_happy_with(addresses, |address| {
            made.borrow_mut().push((since(), address));
            let held = Alive::new(&alive);
            let fate = fates.iter().find(|(known, _)| *known == address).unwrap().1;
            async move {
                let _held = held;
                match fate {
                    Fate::Connects(ms) => sleep(Duration::from_millis(ms)).await,
                    Fate::Fails(ms, kind) => {
                        sleep(Duration::from_millis(ms)).await;
                        return Err(kind.into());
                    }
                    Fate::Never => std::future::pending().await,
                }
                Ok(address)
            }
        })
        .await;
        Seen { made: made.take(), ended_ms: since(), alive: alive.get(), result }
    })
}

fn at(ms: u64, address: &str) -> (u64, SocketAddr) {
    (ms, address.parse().unwrap())
}

#[test]
fn attempts_are_staggered_and_families_take_turns() {
    let seen = race(&[
        ("[2001:db8::1]:80", Fate::Never),
        ("[2001:db8::2]:80", Fate::Never),
        ("192.0.2.1:80", Fate::Never),
        ("192.0.2.2:80", Fate::Connects(40)),
    ]);
    let wanted = [
        at(0, "[2001:db8::1]:80"),
        at(250, "192.0.2.1:80"),
        at(500, "[2001:db8::2]:80"),
        at(750, "192.0.2.2:80"),
    ];
    assert_eq!(seen.made, wanted);
    assert_eq!(seen.result.unwrap(), wanted[3].1);
    assert_eq!((seen.ended_ms, seen.alive), (790, 0), "the losers are given up");
}

#[test]
fn a_failure_makes_way_at_once_and_the_head_start_begins_anew() {
    let refused = io::ErrorKind::ConnectionRefused;
    let seen = race(&[
        ("[2001:db8::1]:80", Fate::Fails(10, refused)),
        ("192.0.2.1:80", Fate::Never),
        ("[2001:db8::2]:80", Fate::Connects(1)),
    ]);
    let wanted = [at(0, "[2001:db8::1]:80"), at(10, "192.0.2.1:80"), at(260, "[2001:db8::2]:80")];
    assert_eq!(seen.made, wanted);
    assert_eq!(seen.ended_ms, 261);
    assert!(seen.result.unwrap().is_ipv6());
}

#[test]
fn a_failure_makes_way_at_once_beside_others_that_run() {
    let seen = race(&[
        ("[2001:db8::1]:80", Fate::Never),
        ("192.0.2.1:80", Fate::Fails(10, io::ErrorKind::HostUnreachable)),
        ("[2001:db8::2]:80", Fate::Never),
        ("192.0.2.2:80", Fate::Connects(5)),
    ]);
    let wanted = [
        at(0, "[2001:db8::1]:80"),
        at(250, "192.0.2.1:80"),
        at(260, "[2001:db8::2]:80"),
        at(510, "192.0.2.2:80"),
    ];
    assert_eq!((seen.made, seen.ended_ms, seen.alive), (wanted.into(), 515, 0));
}

#[test]
fn the_first_that_answers_wins_although_a_later_one_was_made() {
    let seen =
        race(&[("[2001:db8::1]:80", Fate::Connects(300)), ("192.0.2.1:80", Fate::Connects(100))]);
    assert!(seen.result.unwrap().is_ipv6());
    assert_eq!((seen.ended_ms, seen.alive), (300, 0));
    // One that answers within the head start is the only one.
    let seen =
        race(&[("192.0.2.1:80", Fate::Connects(249)), ("[2001:db8::1]:80", Fate::Connects(0))]);
    assert_eq!(seen.made, [at(0, "192.0.2.1:80")]);
    assert_eq!(seen.ended_ms, 249);
}

#[test]
fn when_all_fail_the_error_tells_of_each() {
    let seen = race(&[
        ("192.0.2.1:80", Fate::Fails(400, io::ErrorKind::TimedOut)),
        ("[2001:db8::1]:80", Fate::Fails(10, io::ErrorKind::ConnectionRefused)),
    ]);
    let error = seen.result.unwrap_err();
    assert_eq!((seen.ended_ms, error.kind()), (400, io::ErrorKind::TimedOut));
    let text = error.to_string();
    assert!(text.contains("192.0.2.1:80: timed out"), "{text}");
    assert!(text.contains("[2001:db8::1]:80: connection refused"), "{text}");
    let seen = race(&[]);
    assert_eq!(seen.result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

/// An address that does not answer while what has it is kept: the queue of who listens there has room for one.
/// Some systems say at once that they cannot connect; both are ways to lose.
async fn silent() -> (impl Sized, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let first = std::net::TcpStream::connect(address).unwrap();
    let listener = Watch::new(listener).unwrap();
    listener.readable().await.unwrap();
    ((listener.into_inner().unwrap(), first), address)
}

#[test]
fn over_the_loopback_the_losers_are_closed() {
    in_own_process("net::happy::over_the_loopback_the_losers_are_closed", || {
        block_on(bounded(async {
            let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let (_kept, nobody) = nobody();
            let (_full, silent) = silent().await;
            drop(connect_happy([address]).await.unwrap());
            let before = descriptors();
            let stream = connect_happy([silent, nobody, address]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), address);
            assert_eq!(descriptors(), before + 1);
            assert_eq!(evented::stats().sources, 1, "that of the connection");
            drop(stream);
            let error = connect_happy([nobody]).await.unwrap_err();
            assert!(error.raw_os_error().is_some(), "the error itself: {error}");
            // What a host name leads to takes the same way.
            let name = format!("localhost:{}", address.port());
            assert!(TcpStream::connect_host(name).await.is_ok());
        }));
    });
}
