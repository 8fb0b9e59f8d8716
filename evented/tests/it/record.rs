//! What a reactor records, and what can be seen of it.

mod files;
mod schema;
mod trace;
mod waits;
mod watchdog;

use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use evented::record::{
    Cause, Direction, Ended, Event, Polled, Record, RecorderSpec, Recording, TaskId, TaskState,
    WaitsFor, What, mark, waits_for,
};
use evented::{
    Class, ClassSpec, Order, Reactor, Spawn, advance, blocking, call_later, handle, sleep, spawn,
    spawn_with, timeout, yield_now,
};
use futures_lite::AsyncReadExt;
use std::os::fd::AsRawFd;

use crate::support::{bounded, pair, until, until_blocking};

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
    let child_id = Rc::new(std::cell::Cell::new(None));
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
        (3, What::Yield),
        (3, poll(2, Polled::Pending)),
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

/// Waits, and tells what for.
fn waits_to<T>(what: WaitsFor) -> impl Future<Output = T> {
    poll_fn(move |_| {
        waits_for(what);
        Poll::Pending
    })
}

#[test]
fn a_dump_tells_what_each_task_waits_for() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        let (client, mut server) = pair().await.unwrap();
        let fd = server.as_raw_fd();
        let (go, wait) = mpsc::channel::<()>();
        let reader = spawn_with(Spawn::new().name("reader").class(Class::RT), async move {
            server.read(&mut [0]).await
        });
        let in_time = spawn(timeout(Duration::from_hours(1), async move {
            let _ = &client;
            pending::<()>().await;
        }));
        let sleeper = spawn(sleep(Duration::from_hours(1)));
        let chan = WaitsFor::Chan { chan: 7, keeper: None };
        let both = spawn(timeout(Duration::from_hours(1), waits_to::<()>(chan)));
        let (first, second) = (reader.id(), sleeper.id());
        let lock = WaitsFor::Lock { lock: 0xABC, owner: Some(first) };
        let locked = spawn(waits_to::<()>(lock));
        let joins = spawn(sleeper);
        let pool = spawn(blocking(move || wait.recv()));
        let foreign = spawn(pending::<()>());
        let done = spawn(async {});
        yield_now().await;
        yield_now().await;
        let ready = spawn(async {});
        let dump = handle().dump().unwrap();
        let report = |id| dump.task(id).unwrap();
        let waits = |id| (report(id).state, report(id).waits_for, report(id).more_waits);
        let waiting = |what| (TaskState::Waiting, what, 0);
        let io = WaitsFor::Io { fd, direction: Direction::Read };
        assert_eq!(waits(reader.id()), waiting(io));
        assert_eq!(waits(in_time.id()), waiting(WaitsFor::Timer));
        assert_eq!(waits(both.id()), (TaskState::Waiting, chan, 1));
        assert_eq!(waits(second), waiting(WaitsFor::Timer));
        assert_eq!(waits(locked.id()), waiting(lock));
        assert_eq!(waits(joins.id()), waiting(WaitsFor::Join(second)));
        assert_eq!(waits(pool.id()), waiting(WaitsFor::Blocking));
        assert_eq!(waits(foreign.id()), waiting(WaitsFor::Unknown));
        assert_eq!(report(done.id()).state, TaskState::Done);
        assert_eq!(report(ready.id()).state, TaskState::Ready);
        let root = &dump.tasks[0];
        assert_eq!(root.name.as_deref(), Some("block_on"));
        assert!(matches!(root.state, TaskState::Running(_)), "{root:?}");
        assert!(root.spawned_at.as_ref().unwrap().contains("tests/it/record.rs"), "{root:?}");
        let named = dump.named("reader").next().unwrap();
        assert_eq!((named.id, named.parent, named.polls), (first, Cause::Task(root.id), 1));
        assert_eq!(dump.classes[usize::from(named.class)].name, "RT");
        assert!(named.longest_poll <= named.cpu + MS && !named.cpu.is_zero(), "{named:?}");
        let text = dump.to_string();
        let line = format!("\"reader\" waits for descriptor {fd} to read; 1 polls took");
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("last woken by nobody; spawned at"), "{text}");
        drop((go, locked, both, foreign, in_time));
        assert!(pool.await.unwrap().unwrap().is_err());
        ready.await.unwrap();
    }));
    reactor.block_on(yield_now());
    assert_eq!(reactor.dump().tasks, [], "all of them are gone, and nothing runs");
}

/// From another thread, which has the reactor's handle only.
#[test]
fn a_dump_comes_while_a_task_blocks_the_loop() {
    let reactor = Reactor::new().unwrap();
    let from_afar = reactor.handle();
    let release = Arc::new(AtomicBool::new(false));
    let released = Arc::clone(&release);
    let observer = std::thread::spawn(move || {
        let mut seen = None;
        until_blocking(|| {
            let dump = from_afar.dump().unwrap();
            seen = dump.named("blocks").next().cloned();
            seen.as_ref().is_some_and(|task| matches!(task.state, TaskState::Running(_)))
        });
        let TaskState::Running(first) = seen.unwrap().state else { unreachable!() };
        until_blocking(|| {
            let dump = from_afar.dump().unwrap();
            let state = dump.named("blocks").next().unwrap().state;
            matches!(state, TaskState::Running(since) if since > first)
        });
        released.store(true, Ordering::SeqCst);
        let mut closed = from_afar.dump();
        until_blocking(|| {
            closed = from_afar.dump();
            closed.is_err()
        });
    });
    let task = reactor.spawn_with(Spawn::new().name("blocks"), async move {
        until_blocking(|| release.load(Ordering::SeqCst));
    });
    reactor.block_on(task).unwrap();
    drop(reactor);
    observer.join().unwrap();
}

#[test]
fn who_woke_a_task_last() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        let (sender, receiver) = evented::sync::mpsc::bounded::<u8>(1);
        let task = spawn_with(Spawn::new().name("waits"), async move {
            let mut receiver = receiver;
            while receiver.recv().await.is_some() {}
            pending::<()>().await;
        });
        let waker = || {
            let dump = handle().dump().unwrap();
            let task = dump.named("waits").next().unwrap().clone();
            (task.last_waker, task.polls)
        };
        yield_now().await;
        assert_eq!(waker(), (Cause::Nobody, 1));
        sender.send(1).await.unwrap();
        yield_now().await;
        let root = handle().dump().unwrap().tasks[0].id;
        assert_eq!(waker(), (Cause::Task(root), 2));
        let elsewhere = sender.clone();
        std::thread::spawn(move || elsewhere.try_send(2).unwrap()).join().unwrap();
        until(|| waker().1 == 3).await;
        assert_eq!(waker().0, Cause::Thread);
        let later = sender.clone();
        let timer = call_later(MS, move || later.try_send(3).unwrap());
        until(|| waker().1 == 4).await;
        assert!(matches!(waker().0, Cause::Task(other) if other != root), "{:?}", waker());
        drop((timer, task));
    }));
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
                    | What::Yield
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
fn more_tasks_and_names_than_one_part_of_the_table_has() {
    let reactor = Reactor::new().unwrap();
    let tasks: Vec<_> = (0..5_000)
        .map(|n| reactor.spawn_with(Spawn::new().name(format!("task {n}")), pending::<()>()))
        .collect();
    let dump = reactor.dump();
    assert_eq!((dump.tasks.len(), dump.parts_not_in_the_file), (5_000, 0));
    for (n, task) in tasks.iter().enumerate() {
        let name = format!("task {n}");
        assert_eq!(dump.tasks[n].name.as_deref(), Some(name.as_str()));
        assert_eq!(dump.tasks[n].id, task.id());
    }
    drop(tasks);
    reactor.block_on(yield_now());
    assert_eq!(reactor.dump().tasks, []);
    // Cells of names are used again; a long name is cut off between two characters.
    let long = "x".repeat(62) + "ä";
    let task = reactor.spawn_with(Spawn::new().name(&long), pending::<()>());
    let dump = reactor.dump();
    assert_eq!(dump.task(task.id()).unwrap().name.as_deref(), Some(&long[..62]));
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
