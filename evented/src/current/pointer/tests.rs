use super::*;
use crate::Reactor;

/// The number of the current reactor.
fn current() -> Option<u64> {
    with(|engine| engine.map(|engine| engine.id()))
}

#[test]
fn the_one_before_is_current_again_also_after_a_panic() {
    let id = || current().expect("one runs");
    assert_eq!(current(), None);
    Reactor::new().unwrap().block_on(async {
        let outer = id();
        let inner = Reactor::new().unwrap();
        assert_ne!(inner.block_on(async { id() }), outer);
        assert_eq!(id(), outer);
        let blocked = std::panic::AssertUnwindSafe(|| inner.block_on(async { panic!("as asked") }));
        std::panic::catch_unwind(blocked).unwrap_err();
        assert_eq!(id(), outer);
    });
    assert_eq!(current(), None);
}

/// A destructor of the thread's own variables finds no reactor, and drops one that it has.
#[test]
fn a_reactor_in_a_variable_of_a_thread_is_dropped_at_its_end() {
    struct Last(std::sync::mpsc::Sender<Option<u64>>, Reactor);
    impl Drop for Last {
        fn drop(&mut self) {
            assert_eq!(self.1.block_on(async { current() }).map(|_| ()), Some(()));
            self.0.send(current()).unwrap();
        }
    }
    thread_local! {
        static KEPT: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        KEPT.with_borrow_mut(|kept| *kept = Some(Last(sender, Reactor::new().unwrap())));
    });
    assert_eq!(receiver.recv(), Ok(None));
    thread.join().unwrap();
}
