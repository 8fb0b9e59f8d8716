//! The future of `block_on` waits as a task does.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use evented::{Class, Reactor, Spawn, timeout};

use super::ends::{counted, goes_on};
use super::{hog, micros, reactor};

#[test]
fn a_boost_ends_with_the_wait_of_the_root() {
    reactor().block_on(async {
        let _hog = hog();
        let (mut low, polls) = counted(Class::IDLE);
        assert!(!goes_on(&polls).await);
        assert!(timeout(micros(2_000), &mut low).await.is_err());
        let worked = polls.get();
        assert!(worked >= 5, "it ran meanwhile, beside the hog: {worked}");
        assert!(!goes_on(&polls).await, "it runs on although nobody waits");
    });
}

/// The name of the class of the only task but the root.
fn class_shown(reactor: &Reactor) -> String {
    let dump = reactor.dump();
    let task = dump.tasks.iter().find(|task| task.id.slot() > 0).expect("it is there");
    dump.classes[usize::from(task.class)].name.clone()
}

#[test]
fn a_root_that_has_returned_waits_for_nobody() {
    let reactor = reactor();
    let mut low = reactor.spawn_with(Spawn::new().class(Class::IDLE), pending::<()>());
    reactor.block_on(poll_fn(|cx| {
        assert!(Pin::new(&mut low).poll(cx).is_pending());
        assert_eq!(class_shown(&reactor), "NORMAL");
        Poll::Ready(())
    }));
    assert_eq!(class_shown(&reactor), "IDLE");
}
