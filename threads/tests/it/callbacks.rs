//! Callbacks of handles.

use crate::support::{Gate, in_time, until};
use std::sync::{Arc, mpsc};
use std::thread;
use threads::{CancelToken, JoinError, Outcome, PanicOrigin, Pool};

#[test]
fn callbacks_come_in_order_on_the_worker() {
    in_time(|| {
        let pool = Pool::builder().workers(1).name("calls").build().unwrap();
        let gate = Gate::occupy(&pool);
        let handle = pool.spawn(|| 7);
        let (send, calls) = mpsc::channel();
        for x in 0..10 {
            let send = send.clone();
            handle.on_done(move |outcome| {
                let name = thread::current().name().map(str::to_owned);
                send.send((x, outcome, name.unwrap())).unwrap();
            });
        }
        drop(send);
        assert!(calls.try_recv().is_err());
        gate.open().join().unwrap();
        let expected = (0..10).map(|x| (x, Outcome::Returned, "calls-0".to_owned()));
        assert!(calls.iter().eq(expected));
        assert_eq!(handle.join().unwrap(), 7, "the result is still there");
    });
}

#[test]
fn a_panicking_callback_is_reported_and_the_next_is_called() {
    in_time(|| {
        let (send, reports) = mpsc::channel();
        let pool = Pool::builder().workers(1).name("isolated").on_panic(move |report| {
            let thread = report.thread.map(str::to_owned);
            send.send((report.origin, thread, report.message.to_owned())).unwrap();
            panic!("and the hook panics, too");
        });
        let pool = pool.build().unwrap();
        let gate = Gate::occupy(&pool);
        let handle = pool.spawn(|| panic!("job"));
        let (called, calls) = mpsc::channel();
        let again = called.clone();
        handle.on_done(move |_| called.send(1).unwrap());
        handle.on_done(|_| panic!("callback"));
        handle.on_done(move |_| again.send(2).unwrap());
        gate.open().join().unwrap();
        assert!(calls.iter().eq([1, 2]));
        let worker = Some("isolated-0".to_owned());
        assert_eq!(reports.recv().unwrap(), (PanicOrigin::Job, worker.clone(), "job".to_owned()));
        let second = (PanicOrigin::Callback, worker, "callback".to_owned());
        assert_eq!(reports.recv().unwrap(), second);
        assert!(matches!(handle.join(), Err::<(), _>(JoinError::Panicked { .. })));
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1, "the worker lives");
        // One that comes too late panics on the caller, who is spared.
        let handle = pool.spawn(|| 1);
        until("it is finished", || handle.is_finished());
        handle.on_done(|_| panic!("late"));
        assert_eq!(reports.recv().unwrap().2, "late");
    });
}

/// It may be run in the middle of any job, whose token has nothing to do with it.
#[test]
fn a_callback_does_not_inherit_a_token() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let own = Arc::clone(&pool);
        let outer = pool.spawn_with(&CancelToken::new(), move || {
            let (send, tokens) = mpsc::channel();
            for cancel in [false, true] {
                let inner = own.spawn(|| ());
                let send = send.clone();
                inner.on_done(move |_| send.send(CancelToken::current().is_some()).unwrap());
                if cancel {
                    assert!(inner.cancel());
                } else {
                    inner.join().unwrap();
                }
            }
            drop(send);
            (tokens.iter().collect::<Vec<_>>(), CancelToken::current().is_some())
        });
        assert_eq!(outer.join().unwrap(), (vec![false, false], true));
    });
}

/// On its worker, as a job may: it must not wait for room that only this worker could make.
#[test]
fn a_callback_may_spawn_into_a_full_pool() {
    in_time(|| {
        for when_full in [threads::WhenFull::Block, threads::WhenFull::CallerRuns] {
            let builder = Pool::builder().workers(1).spares(0).queue_bound(2, when_full);
            let pool = Arc::new(builder.build().unwrap());
            let gate = Gate::occupy(&pool);
            let (send, results) = mpsc::channel();
            for x in 0..2 {
                let (inner, send) = (Arc::clone(&pool), send.clone());
                pool.submit(|x| x, x).on_result(move |x| {
                    for y in 0..5 {
                        let send = send.clone();
                        let next = inner.submit(|x: u32| x, 10 * x.as_ref().unwrap() + y);
                        next.on_result(move |result| send.send(result.unwrap()).unwrap());
                    }
                });
            }
            drop(send);
            gate.open().join().unwrap();
            let mut results: Vec<_> = results.iter().collect();
            results.sort_unstable();
            assert_eq!(results, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
        }
    });
}
