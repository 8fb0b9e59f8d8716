//! Callbacks of handles, beside what the executor's tests cover.

use crate::support::{Gate, in_time, until};
use std::sync::{Arc, mpsc};
use threads::{CancelToken, JoinError, PanicOrigin, Pool};

#[test]
fn a_panicking_callback_is_reported() {
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
        handle.on_done(|_| panic!("callback"));
        gate.open().join().unwrap();
        assert!(matches!(handle.join(), Err::<(), _>(JoinError::Panicked { .. })));
        let worker = Some("isolated-0".to_owned());
        assert_eq!(reports.recv().unwrap(), (PanicOrigin::Job, worker.clone(), "job".to_owned()));
        let second = (PanicOrigin::Callback, worker, "callback".to_owned());
        assert_eq!(reports.recv().unwrap(), second);
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
