//! Many descriptors are ready, and one of them is urgent.

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream as Peer;
use std::rc::Rc;
use std::time::Duration;

use evented::net::UnixStream;
use evented::{Class, ClassSpec, Reactor, Spawn, spawn, spawn_with, yield_now};
use futures_lite::AsyncReadExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{bounded, in_own_process, poll_once, until, until_readers_wait};

/// More connections than the reactor takes events at once.
const CROWD: usize = 1_200;

/// Raises the limit of descriptors of this process to what the test needs. False if it may not. The tests here
/// that use many have processes of their own, so that others are not left without.
fn has_descriptors() -> bool {
    let needed = 2 * CROWD as u64 + 200;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return true;
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).is_ok()
}

/// A connection whose bytes are there as soon as they are written, with its peer in blocking mode.
fn connection() -> (UnixStream, Peer) {
    let (stream, peer) = Peer::pair().unwrap();
    (UnixStream::from_std(stream).unwrap(), peer)
}

/// Reads a byte and notes its name.
async fn read(mut stream: UnixStream, name: &'static str, order: Rc<RefCell<Vec<&'static str>>>) {
    stream.read_exact(&mut [0]).await.unwrap();
    order.borrow_mut().push(name);
}

/// The urgent one is handled before any of the others, which were ready before it.
#[test]
fn an_urgent_reader_goes_before_a_crowd_of_ready_ones() {
    in_own_process("priority::crowd::an_urgent_reader_goes_before_a_crowd_of_ready_ones", || {
        if !has_descriptors() {
            eprintln!("skipped: the limit of descriptors is too low for {CROWD} connections");
            return;
        }
        for urgent_first in [true, false] {
            // No second look comes to the rescue before some of the crowd have run.
            let reactor = Reactor::builder().latency(Duration::from_secs(1)).build().unwrap();
            let order = Rc::new(RefCell::new(Vec::new()));
            let (tasks, peers, mut urgent_peer) = reactor.block_on(bounded(async {
                let (stream, urgent_peer) = connection();
                let urgent = read(stream, "urgent", Rc::clone(&order));
                let urgent = spawn_with(Spawn::new().class(Class::RT), urgent);
                let mut tasks = vec![urgent];
                if urgent_first {
                    yield_now().await; // Its rank is the first one that is used.
                }
                let mut peers = Vec::new();
                for _ in 0..CROWD {
                    let (stream, peer) = connection();
                    tasks.push(spawn(read(stream, "one of many", Rc::clone(&order))));
                    peers.push(peer);
                }
                until_readers_wait(CROWD + 1).await;
                (tasks, peers, urgent_peer)
            }));
            for mut peer in &peers {
                peer.write_all(&[1]).unwrap();
            }
            urgent_peer.write_all(&[1]).unwrap();
            reactor.block_on(bounded(async {
                for task in tasks {
                    task.await.unwrap();
                }
            }));
            let order = order.borrow();
            assert_eq!((order.len(), order[0]), (CROWD + 1, "urgent"));
        }
    });
}

/// While a rank is busy, what comes in for less urgent ones stays where it is; nothing of it is lost,
/// and the reactor does not sleep on it.
#[test]
fn less_urgent_ranks_are_looked_at_when_they_are_due() {
    in_own_process("priority::crowd::less_urgent_ranks_are_looked_at_when_they_are_due", || {
        let reactor = Reactor::new().unwrap();
        let low = reactor.add_class(ClassSpec::new("low").rank(6)).unwrap();
        reactor.block_on(bounded(async {
            let order = Rc::new(RefCell::new(Vec::new()));
            let (mut tasks, mut peers) = (Vec::new(), Vec::new());
            for _ in 0..300 {
                let (stream, peer) = connection();
                let task = read(stream, "low", Rc::clone(&order));
                tasks.push(spawn_with(Spawn::new().class(low), task));
                peers.push(peer);
            }
            until_readers_wait(300).await;
            for peer in &mut peers {
                peer.write_all(&[1]).unwrap();
            }
            for _ in 0..1_000 {
                yield_now().await;
            }
            assert!(order.borrow().is_empty(), "they went before what is more urgent");
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(order.borrow().len(), 300);
        }));
    });
}

/// More events than one look takes, of which the first ones wake nobody: the reactor does not sleep on
/// the one that does.
#[test]
fn what_a_look_has_left_is_looked_at() {
    in_own_process("priority::crowd::what_a_look_has_left_is_looked_at", || {
        let reactor = Reactor::new().unwrap();
        let low = reactor.add_class(ClassSpec::new("low").rank(6)).unwrap();
        reactor.block_on(bounded(async {
            // Its rank is the first one that is used: that of the others has a set with less room.
            let (mut first, _silent) = connection();
            assert!(poll_once(&mut first.read(&mut [0])).is_pending());
            let (kept, mut peers) = (Rc::new(RefCell::new(Vec::new())), Vec::new());
            for _ in 0..300 {
                let (mut stream, peer) = connection();
                let kept = Rc::clone(&kept);
                // Nobody joins them: they would be looked at in the rank of who does.
                let waits = async move {
                    assert!(poll_once(&mut stream.read(&mut [0])).is_pending());
                    kept.borrow_mut().push(stream);
                };
                spawn_with(Spawn::new().class(low), waits).detach();
                peers.push(peer);
            }
            until(|| kept.borrow().len() == 300).await;
            let (stream, mut last) = connection();
            let order = Rc::new(RefCell::new(Vec::new()));
            let task = spawn_with(Spawn::new().class(low), read(stream, "last", order));
            until_readers_wait(1).await;
            for peer in &mut peers {
                peer.write_all(&[1]).unwrap();
            }
            last.write_all(&[1]).unwrap();
            until(|| task.is_finished()).await;
            drop(kept);
        }));
    });
}

/// With a guarantee they are looked at in spite of that.
#[test]
fn a_reserve_is_good_for_what_waits_for_descriptors() {
    let reactor = Reactor::new().unwrap();
    let kept = reactor.add_class(ClassSpec::new("kept").rank(6).reserve(0.2)).unwrap();
    reactor.block_on(bounded(async {
        let (stream, mut peer) = connection();
        let order = Rc::new(RefCell::new(Vec::new()));
        let task = spawn_with(Spawn::new().class(kept), read(stream, "kept", Rc::clone(&order)));
        until_readers_wait(1).await;
        peer.write_all(&[1]).unwrap();
        // Never sleeps.
        while !task.is_finished() {
            yield_now().await;
        }
    }));
}
