//! Calls that other threads send.

use std::collections::VecDeque;

use loom::sync::Arc;
use loom::thread;

use super::{GENERATION, Model, READER, name};
use crate::remote::{Drained, Inbox};

/// A reactor that sleeps until calls come gets all of them, in the order in which they were sent.
#[test]
fn no_call_is_lost() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let model = Arc::new(Model::new());
        let sender = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                for call in 1..=2 {
                    if model.inbox.push_call(READER, call).expect("it is read") {
                        model.bell.ring();
                    }
                }
            })
        };
        let (mut drained, mut got, mut sleeps) = (Drained::default(), Vec::new(), 0);
        while got.len() < 2 {
            if model.inbox.begin_park() {
                model.bell.wait();
                sleeps += 1;
                model.inbox.end_park();
            }
            if model.inbox.is_pending() {
                model.inbox.drain(&mut drained);
                got.extend(drained.calls.drain(..));
            }
        }
        assert_eq!(got, [1, 2]);
        sender.join().unwrap();
        assert!(model.bell.has_woken(sleeps), "only a reactor that sleeps is unparked");
    });
}

/// Two threads send while a reactor ends and the next one takes its inbox over: each call is run, handed out
/// by the end, or given back; and none is run by the next one.
#[test]
fn the_end_of_a_reactor_loses_no_call() {
    loom::model(|| {
        let inbox = Arc::new(Inbox::<u32>::default());
        inbox.open(READER);
        let senders = [1, 2].map(|call| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || inbox.push_call(READER, call).err())
        });
        let mut drained = Drained::default();
        if inbox.is_pending() {
            inbox.drain(&mut drained);
        }
        let mut all: VecDeque<u32> = drained.calls;
        all.extend(inbox.close().calls);
        inbox.open(READER + 1);
        assert!(!inbox.is_read_by(READER) && inbox.is_read_by(READER + 1));
        for sender in senders {
            all.extend(sender.join().unwrap());
        }
        let mut of_next = Drained::default();
        inbox.drain(&mut of_next);
        assert_eq!(of_next.calls, []);
        all.make_contiguous().sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

/// A name that is pushed while the reactor ends is taken out by somebody; where nobody reads, none is kept.
#[test]
fn without_a_reader_no_name_is_kept() {
    loom::model(|| {
        let model = Arc::new(Model::new());
        let waker = {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake(0, GENERATION))
        };
        let mut left = model.inbox.close().names;
        waker.join().unwrap();
        left.extend(model.inbox.close().names);
        assert!(left.is_empty() || left == [name(0, GENERATION)]);
        model.wake(1, GENERATION);
        assert!(model.inbox.close().names.is_empty());
        model.inbox.open(READER + 1);
        let mut of_next = Drained::default();
        model.inbox.drain(&mut of_next);
        assert!(of_next.names.is_empty(), "nothing is left to the next one");
        assert!(model.bell.has_woken(0), "nobody sleeps");
    });
}

/// A call that is sent while the reactor is shut down is run, or its sender knows that it may not be.
#[test]
fn no_call_is_left_to_a_reactor_that_was_shut_down() {
    loom::model(|| {
        let inbox = Arc::new(Inbox::<u32>::default());
        inbox.open(READER);
        let sender = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                inbox.push_call(READER, 1).expect("it is read");
                inbox.is_shut_down()
            })
        };
        inbox.shut_down();
        let mut drained = Drained::default();
        inbox.drain(&mut drained);
        let knows = sender.join().unwrap();
        assert!(knows || drained.calls.len() == 1, "it is waited for in vain");
        inbox.close();
        inbox.open(READER + 1);
        assert!(!inbox.is_shut_down(), "the next reader is another one");
    });
}
