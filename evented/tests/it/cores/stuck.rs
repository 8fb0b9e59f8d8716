//! Loops that do not end when they are asked to.

use std::net::TcpStream as StdStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use evented::cores::{Balance, Cores, KeptBy, Stuck};
use evented::record::{Cause, RecorderSpec};
use evented::{Reactor, Spawn, blocking, spawn_with};

use super::{connect, cores, loopback, name};
use crate::support::{BOUND, in_own_process, threads, until_blocking};

/// A time that is over soon.
const BRIEF: Duration = Duration::from_millis(20);

/// What blocks until the sender is dropped, and who hears that it has begun.
fn blocks() -> (mpsc::Sender<()>, mpsc::Receiver<()>, impl FnOnce() + Send) {
    let (release, waits) = mpsc::channel::<()>();
    let (begins, begun) = mpsc::channel();
    let block = move || {
        begins.send(()).unwrap();
        // Nobody sends: it ends when the other end is gone.
        assert!(waits.recv_timeout(BOUND) != Err(mpsc::RecvTimeoutError::Timeout));
    };
    (release, begun, block)
}

/// Waits until a condition holds for those that are left.
fn until_left(mut stuck: Stuck, condition: impl Fn(&Stuck) -> bool) -> Stuck {
    let start = Instant::now();
    while !condition(&stuck) {
        assert!(start.elapsed() < BOUND, "{stuck}");
        stuck = stuck.wait(BRIEF).unwrap_err();
    }
    stuck
}

#[test]
fn a_task_that_keeps_its_loop_is_named() {
    in_own_process("cores::stuck::a_task_that_keeps_its_loop_is_named", || {
        let cores = cores(3);
        let address = cores.serve(loopback(), Balance::Fewest, name).unwrap();
        let _connected = connect(address);
        let (release, begun, block) = blocks();
        let task = cores.handle(1).spawn(move || async move {
            spawn_with(Spawn::new().name("stuck"), async move { block() }).await
        });
        task.detach();
        begun.recv_timeout(BOUND).unwrap();
        let handles: Vec<_> = cores.handles().collect();
        let stuck = cores.shutdown_timeout(Duration::ZERO, BRIEF).unwrap_err();
        // The others may need more time on a slow machine.
        let stuck = until_left(stuck, |stuck| stuck.loops().len() == 1);
        assert!(handles[0].is_closed() && !handles[1].is_closed() && handles[2].is_closed());
        assert!(StdStream::connect(address).is_err(), "nobody listens");
        assert_eq!(stuck.loops()[0].index, 1);
        let KeptBy::Task(blocked) = &stuck.loops()[0].kept_by else { panic!("{stuck}") };
        assert_eq!(blocked.name.as_deref(), Some("stuck"));
        assert_eq!(blocked.class.as_deref(), Some("NORMAL"));
        assert!(blocked.spawned_at.as_ref().unwrap().contains("stuck.rs:"), "{stuck}");
        assert!(matches!(blocked.what, Cause::Task(_)));
        let text = stuck.to_string();
        assert!(
            text.starts_with("loop 1 has not ended: task ") && text.contains("\"stuck\""),
            "{text}"
        );
        drop(release);
        let ended = stuck.wait(BOUND).unwrap();
        assert_eq!((ended.failures.len(), ended.panicked), (0, 0));
        until_blocking(|| threads() == 2);
    });
}

/// The loop that is to close the listener cannot: the connections of the others are told all the same.
#[test]
fn a_loop_that_cannot_close_its_listener_holds_nobody_up() {
    let cores = cores(2);
    let (told, hears) = mpsc::channel();
    let address = cores
        .serve(loopback(), Balance::Fewest, move |stream, stop| {
            let told = told.clone();
            async move {
                told.send("connected").unwrap();
                stop.requested().await;
                told.send("told").unwrap();
                drop(stream);
            }
        })
        .unwrap();
    // One on each loop.
    let _streams = [connect(address), connect(address)];
    assert_eq!([(); 2].map(|()| hears.recv_timeout(BOUND).unwrap()), ["connected"; 2]);
    let (release, begun, block) = blocks();
    cores.handle(0).call(block).unwrap();
    begun.recv_timeout(BOUND).unwrap();
    let stuck = cores.shutdown_timeout(BRIEF, BRIEF).unwrap_err();
    assert_eq!(hears.recv_timeout(BOUND).unwrap(), "told");
    let stuck = until_left(stuck, |stuck| stuck.loops().len() == 1);
    assert_eq!((stuck.loops()[0].index, hears.try_recv().ok()), (0, None));
    let KeptBy::Task(blocked) = &stuck.loops()[0].kept_by else { panic!("{stuck}") };
    assert_eq!((blocked.what, blocked.name.as_ref()), (Cause::Call, None));
    assert!(stuck.ended().cut_off >= 1);
    // Given up: its thread ends when it is let go.
    drop(stuck);
    drop(release);
    until_blocking(|| StdStream::connect(address).is_err());
}

#[test]
fn a_closure_that_is_waited_for_is_named_by_its_place() {
    let cores = cores(1);
    // One that has ended is not waited for.
    cores.spawn(|| async { blocking(|| ()).await }).join().unwrap().unwrap();
    let (release, begun, block) = blocks();
    cores.handle(0).spawn(move || async move { blocking(block).await }).detach();
    begun.recv_timeout(BOUND).unwrap();
    let stuck = cores.shutdown_timeout(Duration::ZERO, BRIEF).unwrap_err();
    let is_known = |stuck: &Stuck| matches!(stuck.loops()[0].kept_by, KeptBy::Blocking(_));
    let stuck = until_left(stuck, is_known);
    let KeptBy::Blocking(places) = &stuck.loops()[0].kept_by else { unreachable!() };
    let [place] = places[..] else { panic!("{places:?}") };
    assert!(place.file().ends_with("cores/stuck.rs"), "{place}");
    assert!(stuck.to_string().contains("`blocking`"), "{stuck}");
    drop(release);
    stuck.wait(BOUND).unwrap();
}

#[test]
fn without_a_recorder_the_loop_is_named_all_the_same() {
    let reactor = Reactor::builder().recorder(RecorderSpec::off());
    let cores = Cores::builder().count(1).reactor(reactor).build().unwrap();
    let (release, begun, block) = blocks();
    cores.handle(0).call(block).unwrap();
    begun.recv_timeout(BOUND).unwrap();
    let stuck = cores.shutdown_timeout(Duration::ZERO, BRIEF).unwrap_err();
    assert!(matches!(stuck.loops()[0].kept_by, KeptBy::Unknown), "{stuck}");
    drop(release);
    stuck.wait(BOUND).unwrap();
}

#[test]
fn who_ends_in_time_is_no_error() {
    let cores = cores(2);
    let address = cores.serve(loopback(), Balance::Fewest, name).unwrap();
    let _stream = connect(address);
    until_blocking(|| cores.connections().iter().sum::<usize>() == 1);
    let ended = cores.shutdown_timeout(BRIEF, Duration::MAX).unwrap();
    assert_eq!((ended.cut_off, ended.failures.len()), (1, 0));
}
