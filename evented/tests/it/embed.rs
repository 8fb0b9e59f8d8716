//! A reactor as part of another loop.

use std::cell::Cell;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use evented::net::{UdpSocket, Watch};
use evented::sync::oneshot;
use evented::{
    Class, Reactor, Spawn, Turn, blocking, call_later, sleep, spawn, spawn_with, yield_now,
};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::support::{BOUND, in_own_process, pair, poll_once, woken_by_another_thread};

/// How the other loop waits for the descriptor.
enum Outer<'a> {
    Level(&'a Reactor),
    Edge(OwnedFd),
}

impl<'a> Outer<'a> {
    fn edge(reactor: &Reactor) -> Self {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&set, reactor.descriptor().unwrap(), data, flags).unwrap();
        Self::Edge(set)
    }

    /// Both of them.
    fn each(reactor: &'a Reactor) -> [Self; 2] {
        [Self::Level(reactor), Self::edge(reactor)]
    }

    /// Waits until it can be read. False if that takes longer than `limit`.
    fn wait(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).unwrap();
        match self {
            Self::Level(reactor) => {
                let descriptor = reactor.descriptor().unwrap();
                let mut watched = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
                poll(&mut watched, Some(&limit)).unwrap() > 0
            }
            Self::Edge(set) => {
                let mut events = Vec::with_capacity(1);
                let buffer = rustix::buffer::spare_capacity(&mut events);
                epoll::wait(set, buffer, Some(&limit)).unwrap() > 0
            }
        }
    }

    /// Goes on until `is_done`. How often it has waited.
    fn run(&self, reactor: &Reactor, is_done: impl Fn() -> bool) -> usize {
        let mut waits = 0;
        while !is_done() {
            match reactor.turn(Duration::ZERO) {
                Turn::Again => {}
                Turn::Idle => {
                    let is_announced = self.wait(BOUND);
                    assert!(is_announced, "nothing has announced itself: {}", reactor.dump());
                    waits += 1;
                }
                Turn::Ended => panic!("nobody has ended it"),
            }
        }
        waits
    }
}

/// Timers, sockets, the pool, callbacks and other threads.
async fn everything() {
    let echo = spawn(async {
        let (mut client, mut server) = pair().await.unwrap();
        let there = spawn(async move {
            let mut got = vec![0; 4 << 20];
            server.read_exact(&mut got).await.unwrap();
            server.write_all(&got).await.unwrap();
        });
        client.write_all(&vec![7; 4 << 20]).await.unwrap();
        let mut back = vec![0; 4 << 20];
        client.read_exact(&mut back).await.unwrap();
        there.await.unwrap();
        assert!(back.iter().all(|&byte| byte == 7));
    });
    for micros in [0, 30, 900, 1_500, 4_000] {
        sleep(Duration::from_micros(micros)).await;
    }
    assert_eq!(blocking(|| 42).await.unwrap(), 42);
    let (sender, receiver) = oneshot::channel();
    let timer = call_later(Duration::from_millis(1), move || sender.send(1).unwrap());
    assert_eq!(receiver.await, Ok(1));
    drop(timer);
    let (sender, receiver) = oneshot::channel();
    let handle = evented::handle();
    let thread = std::thread::spawn(move || {
        let task = handle.spawn(|| async { sleep(Duration::from_millis(1)).await });
        task.join().unwrap();
        sender.send(2).unwrap();
    });
    assert_eq!(receiver.await, Ok(2));
    thread.join().unwrap();
    echo.await.unwrap();
}

#[test]
fn everything_announces_itself() {
    let reactor = Reactor::new().unwrap();
    for outer in Outer::each(&reactor) {
        let task = reactor.spawn(everything());
        outer.run(&reactor, || task.is_finished());
        poll_once(&mut { task }).map(Result::unwrap).is_ready().then_some(()).unwrap();
        // It runs by itself, too, in between.
        reactor.block_on(everything());
    }
}

/// The other loop sleeps as well as this one would.
#[test]
fn it_wakes_the_other_loop_for_what_is_due_only() {
    let reactor = Reactor::new().unwrap();
    for outer in Outer::each(&reactor) {
        let start = Instant::now();
        let task = reactor.spawn(sleep(Duration::from_millis(200)));
        let waits = outer.run(&reactor, || task.is_finished());
        assert!(start.elapsed() >= Duration::from_millis(200));
        assert!((1..10).contains(&waits), "{waits}");
        // Nothing is left: neither the timer nor anything else says something.
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        assert!(!outer.wait(Duration::from_millis(20)));
        // A timer that was given up does not either, but perhaps once.
        let gone = reactor.spawn(sleep(Duration::from_millis(5)));
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        drop(gone);
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        assert!(!outer.wait(Duration::from_millis(20)));
    }
}

/// More at once than one look takes, in a rank that has a poll set of its own: no second edge comes for what
/// was left.
#[test]
fn a_crowd_that_is_ready_at_once() {
    const CROWD: usize = 300;
    in_own_process("embed::a_crowd_that_is_ready_at_once", || {
        let reactor = Reactor::new().unwrap();
        for outer in Outer::each(&reactor) {
            let urgent = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = urgent.local_addr().unwrap();
            // The first one to wait: its rank has the set that all others are in.
            let urgent = reactor.spawn_with(Spawn::new().class(Class::RT), async move {
                urgent.recv_from(&mut [0]).await.unwrap();
            });
            while reactor.turn(Duration::ZERO) == Turn::Again {}
            let (readers, mut writers): (Vec<_>, Vec<_>) =
                (0..CROWD).map(|_| std::io::pipe().unwrap()).unzip();
            let crowd = reactor.spawn(async move {
                let mut watches: Vec<_> =
                    readers.into_iter().map(|pipe| Watch::new(pipe).unwrap()).collect();
                let last = watches.pop().unwrap();
                // All but the last one are watched, and wake nobody.
                for watch in &watches {
                    let mut gives_up = Box::pin(watch.readable());
                    assert!(poll_once(&mut gives_up).is_pending());
                    // One poll does not do so many things.
                    yield_now().await;
                }
                last.read_with(|mut pipe| pipe.read(&mut [0])).await.unwrap()
            });
            while reactor.turn(Duration::ZERO) == Turn::Again {}
            assert_eq!(reactor.stats().sources, CROWD + 1);
            for writer in &mut writers {
                writer.write_all(b"x").unwrap();
            }
            outer.run(&reactor, || crowd.is_finished());
            assert!(!urgent.is_finished());
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).unwrap();
            outer.run(&reactor, || urgent.is_finished());
        }
    });
}

/// A turn that has only looked at what is urgent, and has polled nobody, is not the last one: to the edge that
/// the other loop has seen, no second one comes.
#[test]
fn a_turn_that_has_not_looked_at_everything() {
    let reactor = Reactor::new().unwrap();
    for outer in Outer::each(&reactor) {
        let (pipe, mut writer) = std::io::pipe().unwrap();
        let reader = reactor.spawn(async move {
            Watch::new(pipe).unwrap().read_with(|mut pipe| pipe.read(&mut [0])).await.unwrap()
        });
        let urgent = Spawn::new().class(Class::RT);
        let urgent = reactor.spawn_with(urgent, std::future::pending::<()>());
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        writer.write_all(b"x").unwrap();
        assert!(outer.wait(BOUND));
        // Its future is dropped in the next turn, before anybody looks at what is less urgent.
        drop(urgent);
        let polls = reactor.stats().polls;
        assert_eq!(reactor.turn(Duration::ZERO), Turn::Again);
        assert_eq!(reactor.stats().polls, polls, "somebody was polled");
        outer.run(&reactor, || reader.is_finished());
    }
}

/// Also of a turn in which nobody was polled, and no call was run.
#[test]
fn a_waker_that_ends_the_reactor_is_not_forgotten() {
    struct Ends;
    impl Wake for Ends {
        fn wake(self: Arc<Self>) {
            evented::stop().unwrap();
        }
    }
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    let left = reactor.spawn(std::future::pending::<()>());
    let mut timer = None;
    reactor.block_on(async {
        let timer = Pin::new(timer.insert(sleep(Duration::from_millis(1))));
        let waker = Waker::from(Arc::new(Ends));
        assert!(timer.poll(&mut Context::from_waker(&waker)).is_pending());
    });
    while reactor.turn(Duration::ZERO) == Turn::Again {}
    let polls = reactor.stats().polls;
    assert_eq!(reactor.turn(Duration::from_millis(1)), Turn::Again, "it has yet to end");
    assert_eq!(reactor.stats().polls, polls, "somebody was polled");
    assert_eq!(reactor.turn(Duration::ZERO), Turn::Ended);
    assert!(left.is_finished());
}

/// Each comes while the other loop sleeps, or is about to.
#[test]
fn no_wake_of_another_thread_is_lost() {
    const ROUNDS: u64 = 2_000;
    let reactor = Reactor::new().unwrap();
    for outer in Outer::each(&reactor) {
        let (wakes, thread) = woken_by_another_thread(ROUNDS);
        let task = reactor.spawn(wakes);
        outer.run(&reactor, || task.is_finished());
        thread.join().unwrap();
    }
}

/// A waker that this thread uses between turns is heard; what it does to tasks is not, and needs a turn.
#[test]
fn what_this_thread_does_between_turns() {
    let reactor = Reactor::new().unwrap();
    for outer in Outer::each(&reactor) {
        let place = Rc::new(Cell::new(None::<Waker>));
        let hand = Rc::clone(&place);
        let mut polls = 0;
        let task = reactor.spawn(std::future::poll_fn(move |cx| {
            polls += 1;
            hand.set(Some(cx.waker().clone()));
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        }));
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        assert!(!outer.wait(Duration::ZERO));
        place.take().unwrap().wake();
        outer.run(&reactor, || task.is_finished());
        let other = reactor.spawn(std::future::pending::<()>());
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        drop(other);
        while reactor.turn(Duration::ZERO) == Turn::Again {}
        assert_eq!(reactor.stats().tasks, 1, "the result of the first one");
        drop(task);
    }
}

#[test]
fn a_turn_in_virtual_time_and_the_end() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    let ms = Duration::from_millis;
    let start = reactor.block_on(async { evented::now() });
    let task = reactor.spawn(async move {
        sleep(ms(10)).await;
        evented::now() - start
    });
    assert_eq!(reactor.turn(Duration::ZERO), Turn::Again, "it was ready");
    assert_eq!(reactor.turn(Duration::ZERO), Turn::Idle);
    assert_eq!(reactor.turn(ms(4)), Turn::Idle);
    assert_eq!(reactor.block_on(async { evented::now() - start }), ms(4));
    // Whatever is asked for, the clock goes to the timer; and where there is none and it cannot go, nowhere.
    assert_eq!(reactor.turn(Duration::from_secs(u64::MAX)), Turn::Again, "something was done");
    assert!(task.is_finished());
    assert_eq!(reactor.block_on(task).unwrap(), ms(10));
    assert_eq!(reactor.turn(Duration::from_secs(u64::MAX)), Turn::Idle);
    assert_eq!(reactor.block_on(async { evented::now() - start }), ms(10));
    let error = reactor.descriptor().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    let left = reactor.spawn_with(Spawn::new(), std::future::pending::<()>());
    reactor.handle().shutdown().unwrap();
    while reactor.turn(Duration::ZERO) == Turn::Again {}
    assert_eq!(reactor.turn(Duration::MAX), Turn::Ended);
    assert!(left.is_finished());
    reactor.block_on(async {
        let inner = Reactor::new().unwrap();
        let task = inner.spawn(async { spawn_with(Spawn::new(), async { 1 }).await.unwrap() });
        // One that is part of a task of another.
        while !task.is_finished() {
            let _ = inner.turn(Duration::from_millis(1));
        }
    });
}

#[test]
#[should_panic(expected = "this reactor is running already")]
fn a_turn_inside_of_a_turn() {
    let reactor = Rc::new(Reactor::new().unwrap());
    let own = Rc::clone(&reactor);
    let turn = reactor.block_on(async move { own.turn(Duration::ZERO) });
    unreachable!("{turn:?}");
}
