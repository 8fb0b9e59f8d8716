//! What can be seen of a reactor's tasks.

use std::future::{Future, pending, poll_fn};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use evented::record::{Cause, Direction, TaskState, WaitsFor, waits_for};
use evented::{
    Class, Reactor, Spawn, blocking, call_later, handle, sleep, spawn, spawn_with, timeout,
    yield_now,
};
use futures_lite::AsyncReadExt;

use super::MS;
use crate::support::{bounded, pair, until, until_blocking};

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
        assert!(root.spawned_at.as_ref().unwrap().contains("tests/it/record/dumps.rs"), "{root:?}");
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
