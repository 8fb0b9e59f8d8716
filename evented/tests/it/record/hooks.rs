//! What a hook may wait for.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use evented::record::Trigger;
use evented::{Builder, Reactor, yield_now};

use crate::support::{BOUND, in_own_process, threads, until_blocking};

const LIMIT: Duration = Duration::from_millis(20);

/// A hook that has begun, and waits until it is let go.
struct Waiting {
    begun: mpsc::Receiver<()>,
    let_go: mpsc::Sender<()>,
    /// Whether it was let go in time.
    outcome: mpsc::Receiver<bool>,
}

/// Options with such a hook, which waits once.
fn waiting_hook() -> (Builder, Waiting) {
    let (sender, begun) = mpsc::sync_channel(1);
    let (let_go, waits) = mpsc::channel();
    let (tell, outcome) = mpsc::channel();
    let waits = Mutex::new(Some(waits));
    let hook = move || {
        let first = waits.lock().unwrap().take();
        if let Some(waits) = first {
            sender.send(()).unwrap();
            tell.send(waits.recv_timeout(BOUND).is_ok()).unwrap();
        }
    };
    let builder = Reactor::builder().block_limit(LIMIT).on_block(move |_| hook());
    (builder, Waiting { begun, let_go, outcome })
}

/// It is told what blocks, and waits for the last reactor to be dropped, which would wait for the thread.
#[test]
fn one_that_waits_for_the_last_reactor_holds_nobody_up() {
    in_own_process("record::hooks::one_that_waits_for_the_last_reactor_holds_nobody_up", || {
        let before = threads();
        let (builder, Waiting { begun, let_go, outcome }) = waiting_hook();
        let reactor = builder.build().unwrap();
        reactor.block_on(async { begun.recv_timeout(BOUND).unwrap() });
        drop(reactor);
        assert_eq!(threads(), before + 1, "it is in the hook");
        // A reactor meanwhile has a thread of its own, which is not confused by the end of the other.
        let (next, Waiting { begun, let_go: let_next_go, outcome: of_next }) = waiting_hook();
        let next = next.build().unwrap();
        next.block_on(async { begun.recv_timeout(BOUND).unwrap() });
        let_go.send(()).unwrap();
        assert!(outcome.recv_timeout(BOUND).unwrap());
        until_blocking(|| threads() == before + 1);
        let_next_go.send(()).unwrap();
        assert!(of_next.recv_timeout(BOUND).unwrap());
        drop(next);
        // A joined thread may be listed a moment longer.
        until_blocking(|| threads() == before);
    });
}

/// A record that is to be given out after it, of a reactor for which it waits, is given out all the same.
#[test]
fn one_that_waits_for_a_reactor_whose_record_is_on_its_way_holds_nobody_up() {
    let (builder, Waiting { begun, let_go, outcome }) = waiting_hook();
    let blocked = builder.build().unwrap();
    blocked.block_on(async { begun.recv_timeout(BOUND).unwrap() });
    let (given, records) = mpsc::channel();
    let reactor = Reactor::builder()
        .record_on([Trigger::Panic], move |_, record| {
            // No reactor runs where it is called, as far as can be seen.
            assert!(std::panic::catch_unwind(evented::stats).is_err());
            given.send(record.events().len()).unwrap();
        })
        .build()
        .unwrap();
    let task = reactor.spawn(async { panic!("on purpose") });
    assert!(reactor.block_on(task).is_err());
    drop(reactor);
    assert!(records.try_recv().unwrap() > 0);
    let_go.send(()).unwrap();
    assert!(outcome.recv_timeout(BOUND).unwrap());
    // It goes on, and is told of no more.
    blocked.block_on(yield_now());
}
