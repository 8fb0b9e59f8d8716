//! What a reactor records, and what can be seen of it.

mod dumps;
mod files;
mod hooks;
mod schema;
mod trace;
mod waits;
mod watchdog;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evented::record::{
    Cause, Ended, Event, Polled, Record, RecorderSpec, Recording, TaskId, WaitsFor, What, mark,
    waits_for,
};
use evented::{
    Class, ClassSpec, Order, Reactor, Spawn, advance, handle, sleep, spawn, spawn_with, yield_now,
};

use crate::support::{bounded, until, until_blocking};

const MS: Duration = Duration::from_millis(1);

/// A reactor in virtual time, in which every figure is exact.
fn virtual_reactor() -> Reactor {
    Reactor::builder().virtual_time().build().unwrap()
}

/// What happened to a task, in order.
fn history(record: &Record, task: TaskId) -> Vec<(u128, What)> {
    let of_task = record.events().iter().filter(|event| event.task == Some(task));
    of_task.map(|event| (event.time.as_millis(), event.what.clone())).collect()
}

#[test]
fn a_known_program_in_virtual_time() {
    let reactor = virtual_reactor();
    let child_id = Rc::new(Cell::new(None));
    let noted = Rc::clone(&child_id);
    let (parent, child) = reactor.block_on(async move {
        let parent = spawn_with(Spawn::new().name("parent").class(Class::RT), async move {
            advance(3 * MS);
            let child = spawn(async {
                advance(2 * MS);
                yield_now().await;
                sleep(10 * MS).await;
            });
            noted.set(Some(child.id()));
            child.await.unwrap();
        });
        let id = parent.id();
        parent.await.unwrap();
        (id, child_id.get().unwrap())
    });
    let record = reactor.record();
    let poll = |took: u32, result| What::Poll { took: took * MS, result };
    let spawned = |history: &[(u128, What)]| match &history[0] {
        (at, What::Spawn { parent, spawned_at: Some(place) }) => {
            assert!(place.contains("record.rs:"), "{place}");
            (*at, *parent)
        }
        other => panic!("{other:?}"),
    };
    let seen = history(&record, parent);
    assert_eq!(spawned(&seen).0, 0);
    let expected = [
        (0, poll(3, Polled::Pending)),
        (0, What::Overrun(3 * MS)),
        (15, What::Wake(Cause::Task(child))),
        (15, poll(0, Polled::Ready)),
        (15, What::Done(Ended::Returned)),
    ];
    assert_eq!(seen[1..], expected);
    let seen = history(&record, child);
    assert_eq!(spawned(&seen), (0, Cause::Task(parent)), "in the poll that began at 0");
    let expected = [
        (3, poll(2, Polled::Yielded)),
        (3, What::Overrun(2 * MS)),
        (5, poll(0, Polled::Pending)),
        (15, What::Wake(Cause::Timer)),
        (15, poll(0, Polled::Ready)),
        (15, What::Done(Ended::Returned)),
    ];
    assert_eq!(seen[1..], expected);
    let of_child = |event: &&Event| event.task == Some(child);
    let class = record.events().iter().find(of_child).unwrap().class;
    assert_eq!(record.dump().classes[usize::from(class)].name, "RT");
    assert_eq!(record.dump().classes[usize::from(class)].rank, 0);
    let slept = |event: &Event| matches!(event.what, What::IoWait { took, slept: true, .. } if took == 10 * MS);
    assert_eq!(record.events().iter().filter(|event| slept(event)).count(), 1);
    assert_eq!(record.overwritten(), 0);
}

#[test]
fn cancels_panics_marks_calls_and_deadlines() {
    let reactor = virtual_reactor();
    let late = ClassSpec::new("late").order(Order::Deadline);
    let late = reactor.add_class(late).unwrap();
    let from_afar = reactor.handle();
    let (cancelled, panicked, missed, root) = reactor.block_on(async move {
        let cancelled = spawn(pending::<()>());
        let panicked = spawn(async { panic!("on purpose") });
        let missed = spawn_with(Spawn::new().class(late).deadline(5 * MS), async {
            advance(7 * MS);
            mark("working", 17);
        });
        let ids = (cancelled.id(), panicked.id(), missed.id());
        from_afar.call(|| advance(4 * MS)).unwrap();
        yield_now().await;
        assert!(cancelled.cancel().await.is_err());
        assert!(panicked.await.is_err());
        missed.await.unwrap();
        let root = handle().dump().unwrap().tasks[0].id;
        (ids.0, ids.1, ids.2, root)
    });
    let record = reactor.record();
    let has = |task, what: &What| {
        let seen = history(&record, task);
        assert!(seen.iter().any(|(_, seen)| seen == what), "{what:?} is missing in {seen:?}");
    };
    has(cancelled, &What::Cancel(Cause::Task(root)));
    has(cancelled, &What::Done(Ended::Cancelled));
    has(panicked, &What::Poll { took: Duration::ZERO, result: Polled::Panicked });
    has(panicked, &What::Done(Ended::Panicked));
    has(missed, &What::Mark { label: "working".to_owned(), value: 17 });
    // Four milliseconds of the call, and seven of its own; it was to be done after five.
    has(missed, &What::DeadlineMiss(6 * MS));
    let calls = What::Calls { took: 4 * MS, count: 1 };
    assert!(record.events().iter().any(|event| event.what == calls));
}

#[test]
fn a_rescue_is_recorded() {
    let reactor = virtual_reactor();
    let kept = reactor.add_class(ClassSpec::new("kept").rank(6).reserve(0.5)).unwrap();
    let rescued = reactor.block_on(async move {
        let task = spawn_with(Spawn::new().class(kept), async {});
        let id = task.id();
        for _ in 0..100 {
            advance(MS);
            yield_now().await;
        }
        assert!(task.is_finished());
        id
    });
    let record = reactor.record();
    assert!(history(&record, rescued).iter().any(|(_, what)| *what == What::Rescue));
    let others = |event: &&Event| event.what == What::Rescue && event.task != Some(rescued);
    assert_eq!(record.events().iter().find(others), None);
}

#[test]
fn a_boost_is_recorded() {
    let reactor = virtual_reactor();
    let (held, urgent) = reactor.block_on(async {
        let held = spawn_with(Spawn::new().class(Class::IDLE), sleep(5 * MS));
        let boosted = held.id();
        let urgent = spawn_with(Spawn::new().class(Class::RT), async { held.await.unwrap() });
        let id = urgent.id();
        urgent.await.unwrap();
        (boosted, id)
    });
    let record = reactor.record();
    let boost = record.events().iter().find(|event| event.task == Some(held)).unwrap();
    assert_eq!(record.dump().classes[usize::from(boost.class)].name, "IDLE", "when it is spawned");
    let is_boost = |event: &&Event| matches!(event.what, What::Boost(_));
    let boost = record.events().iter().find(is_boost).unwrap();
    assert_eq!((boost.task, &boost.what), (Some(held), &What::Boost(Cause::Task(urgent))));
    assert_eq!(record.dump().classes[usize::from(boost.class)].name, "RT");
}

/// Takes so long to be dropped, in virtual time.
struct Slow(Duration);

impl Drop for Slow {
    fn drop(&mut self) {
        advance(self.0);
    }
}

/// It is the time of nobody who is polled next.
#[test]
fn the_time_that_a_drop_takes() {
    let reactor = virtual_reactor();
    let (dropped, next) = reactor.block_on(async {
        let slow = Slow(5 * MS);
        let dropped = spawn(async move {
            let _slow = slow;
            pending::<()>().await;
        });
        let next = spawn(async {
            yield_now().await;
            yield_now().await;
        });
        let ids = (dropped.id(), next.id());
        yield_now().await;
        drop(dropped);
        next.await.unwrap();
        ids
    });
    let record = reactor.record();
    let of_next = history(&record, next);
    let polls: Vec<_> =
        of_next.iter().filter(|(_, what)| matches!(what, What::Poll { .. })).collect();
    let brief = |result| What::Poll { took: Duration::ZERO, result };
    assert_eq!(polls[..2], [&(0, brief(Polled::Yielded)), &(0, brief(Polled::Yielded))]);
    assert_eq!(*polls[2], (5, brief(Polled::Ready)));
    let of_dropped = history(&record, dropped);
    let end = [(0, What::Overrun(5 * MS)), (5, What::Done(Ended::Cancelled))];
    assert_eq!(of_dropped[of_dropped.len() - 2..], end);
}

/// A task that is spawned after the shutdown is dropped on the spot: what has spawned it goes on as itself.
#[test]
fn a_task_that_is_cancelled_at_birth_takes_nobodys_name() {
    let reactor = virtual_reactor();
    let woken = Rc::new(Cell::new(None));
    let waker = Rc::clone(&woken);
    let (root, born) = reactor.block_on(async move {
        let root = handle().dump().unwrap().tasks[0].id;
        evented::stop().unwrap();
        let turn = evented::stats().turns;
        while evented::stats().turns == turn {
            yield_now().await;
        }
        std::future::poll_fn(|cx| {
            waker.set(Some(cx.waker().clone()));
            std::task::Poll::Ready(())
        })
        .await;
        let slow = Slow(3 * MS);
        let born = spawn(async move { drop(slow) });
        let id = born.id();
        // What is noted from here on is the root's doing, and so is the poll.
        mark("after", 1);
        waker.take().unwrap().wake();
        yield_now().await;
        assert!(born.is_finished());
        (root, id)
    });
    let record = reactor.record();
    let of_born = history(&record, born);
    assert!(!of_born.iter().any(|(_, what)| matches!(what, What::Poll { .. })), "{of_born:?}");
    let of_root = history(&record, root);
    let poll = What::Poll { took: 3 * MS, result: Polled::Yielded };
    assert!(of_root.iter().any(|(_, what)| *what == poll), "{of_root:?}");
    let other = |what: &What| matches!(what, What::Wake(Cause::Task(_)));
    assert!(!of_root.iter().any(|(_, what)| other(what)), "it has woken itself: {of_root:?}");
}

/// Events are overwritten while others read: what they get is whole and in order.
#[test]
fn a_reader_tolerates_overwriting() {
    let spec = RecorderSpec::new().events(2_048);
    let reactor = Reactor::builder().recorder(spec).build().unwrap();
    let from_afar = reactor.handle();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let observer = std::thread::spawn(move || {
        let mut last = 0;
        until_blocking(|| {
            let record = from_afar.record().unwrap();
            for (event, number) in record.events().iter().zip(record.overwritten()..) {
                assert_eq!(event.number, number);
                match &event.what {
                    What::Poll { .. }
                    | What::Wake(_)
                    | What::Spawn { .. }
                    | What::IoWait { .. }
                    | What::Overrun(_)
                    | What::Done(_) => {}
                    other => panic!("{other:?} did not happen"),
                }
            }
            last = record.overwritten();
            // Read while it is written, at least so often.
            last > 20_000
        });
        stopped.store(true, Ordering::SeqCst);
        last
    });
    reactor.block_on(bounded(async {
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        until(|| stop.load(Ordering::SeqCst)).await;
        drop(tasks);
    }));
    assert!(observer.join().unwrap() > 20_000);
    assert!(reactor.record().events().len() >= 2_047);
}

#[test]
fn switched_off_it_records_nothing() {
    let reactor = Reactor::builder().recorder(RecorderSpec::off()).build().unwrap();
    assert_eq!(reactor.recording(), Recording::Off);
    reactor.block_on(async {
        spawn(async { mark("unseen", 1) }).await.unwrap();
        waits_for(WaitsFor::Timer);
    });
    let record = reactor.record();
    assert_eq!((record.events().len(), record.overwritten()), (0, 0));
    assert!(record.dump().to_string().contains("the recorder is off"));
}
