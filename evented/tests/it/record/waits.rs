//! What each future of the crate tells of itself.

use std::future::{Future, pending};
use std::process::Stdio;

use evented::process::Command;
use evented::record::{Cause, Polled, TaskId, TaskState, WaitsFor, What};
use evented::signal::{Kind, Signal};
use evented::sync::{Event, Mutex, Notify, Semaphore, mpsc, oneshot, watch};
use evented::{Reactor, Task, TaskGroup, handle, spawn, yield_now};

use crate::support::{bounded, until};

/// What a future waits for in its first poll, with how many more things.
async fn waits<T: 'static>(future: impl Future<Output = T> + 'static) -> (WaitsFor, u8) {
    let task = spawn(future);
    let_it_wait(&task).await
}

async fn let_it_wait<T>(task: &Task<T>) -> (WaitsFor, u8)
where
    T: 'static,
{
    yield_now().await;
    let dump = handle().dump().unwrap();
    let report = dump.task(task.id()).unwrap();
    assert_eq!(report.state, TaskState::Waiting, "{report}");
    (report.waits_for, report.more_waits)
}

#[test]
fn locks_with_their_owners() {
    evented::block_on(bounded(async {
        let mutex = Mutex::new(1);
        let same = mutex.clone();
        let owner = spawn(async move {
            let _guard = same.lock().await;
            pending::<()>().await;
        });
        yield_now().await;
        let (first, more) = waits({
            let mutex = mutex.clone();
            async move { drop(mutex.lock().await) }
        })
        .await;
        let WaitsFor::Lock { lock, owner: Some(found) } = first else { panic!("{first}") };
        assert_eq!((found, more), (owner.id(), 0));
        // Another lock has another number.
        let none_left = Semaphore::new(0);
        let (second, _) = waits(async move { drop(none_left.acquire().await) }).await;
        assert!(matches!(second, WaitsFor::Lock { lock: other, .. } if other != lock), "{second}");
        drop(owner);
    }));
}

#[test]
fn channels_and_notices() {
    evented::block_on(bounded(async {
        let chan = |(what, more): (WaitsFor, u8)| match what {
            WaitsFor::Chan { chan: number, keeper: None } if more == 0 => number,
            other => panic!("{other} and {more} more"),
        };
        let (sender, mut receiver) = mpsc::bounded::<u8>(1);
        let to_receive = chan(waits(async move { receiver.recv().await }).await);
        drop(sender);
        let (sender, receiver) = mpsc::bounded::<u8>(1);
        sender.send(1).await.unwrap();
        let sends = chan(waits(async move { sender.send(2).await.is_ok() }).await);
        let (alone, result) = oneshot::channel::<u8>();
        let once = chan(waits(result).await);
        let notify = chan(waits(async { Notify::new().notified().await }).await);
        let event = chan(waits(async { Event::new().wait().await }).await);
        let (value, mut changes) = watch::channel(1);
        let change = chan(waits(async move { changes.changed().await.is_ok() }).await);
        let mut all = vec![to_receive, sends, once, notify, event, change];
        assert!(all.iter().all(|number| *number > 0 && *number < 1 << 48), "{all:?}");
        all.sort_unstable();
        drop((receiver, alone, value));
    }));
}

#[test]
fn children_signals_and_groups() {
    evented::block_on(bounded(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (id, stdin) = (child.id().unwrap(), child.stdin.take());
        assert_eq!(
            waits(async move { child.wait().await.is_ok() }).await,
            (WaitsFor::Child(id), 0)
        );
        drop(stdin);
        let mut signal = Signal::new(Kind::USER1).unwrap();
        let number = Kind::USER1.as_raw().cast_unsigned();
        let signals = waits(async move { signal.recv().await.is_ok() }).await;
        assert_eq!(signals, (WaitsFor::Signal(number), 0));
        let group = waits(async {
            let mut group = TaskGroup::new();
            (0..5).for_each(|_| group.spawn(pending::<()>()));
            group.next().await.is_some()
        });
        let (first, more) = group.await;
        assert!(matches!(first, WaitsFor::Join(_)) && more == 4, "{first} and {more} more");
    }));
}

/// Who has the lock that this task waits for.
fn owner_of<T>(task: &Task<T>) -> Option<TaskId> {
    let dump = handle().dump().unwrap();
    let report = dump.tasks.iter().find(|report| report.id == task.id()).unwrap();
    assert_eq!(report.state, TaskState::Waiting, "{report}");
    match report.waits_for {
        WaitsFor::Lock { owner, .. } => owner,
        other => panic!("{other}"),
    }
}

/// Takes a lock, and keeps it until it is told to let go.
fn keeps<G: 'static>(lock: impl Future<Output = G> + 'static) -> (Task<()>, oneshot::Sender<()>) {
    let (sender, go_on) = oneshot::channel::<()>();
    let task = spawn(async move {
        let _guard = lock.await;
        let _ = go_on.await;
    });
    (task, sender)
}

/// Four tasks in a line for a lock: each knows who has it, when it changes hands, and when somebody in
/// front gives up.
async fn a_line_has_one_owner<G: 'static>(lock: impl Fn() -> BoxedLock<G>) {
    let (first, go_on) = keeps(lock());
    let (second, second_goes_on) = keeps(lock());
    let (third, _keep) = keeps(lock());
    let (fourth, _keep_too) = keeps(lock());
    yield_now().await;
    for waits in [&second, &third, &fourth] {
        assert_eq!(owner_of(waits), Some(first.id()));
    }
    drop(go_on);
    first.await.unwrap();
    // Whose turn it is, polled or not yet.
    for waits in [&third, &fourth] {
        assert_eq!(owner_of(waits), Some(second.id()));
    }
    yield_now().await;
    drop(third.cancel().await);
    assert_eq!(owner_of(&fourth), Some(second.id()), "who has given up is not the owner");
    drop(second_goes_on);
    second.await.unwrap();
    yield_now().await;
    let (last, _keep) = keeps(lock());
    yield_now().await;
    assert_eq!(owner_of(&last), Some(fourth.id()));
    // The one in front of all gives its place and its lock up.
    let (behind, _keep) = keeps(lock());
    yield_now().await;
    drop(last.cancel().await);
    assert_eq!(owner_of(&behind), Some(fourth.id()));
}

type BoxedLock<G> = std::pin::Pin<Box<dyn Future<Output = G>>>;

#[test]
fn every_task_in_a_line_knows_who_has_the_lock() {
    evented::block_on(bounded(async {
        let mutex = Mutex::new(0);
        a_line_has_one_owner(|| Box::pin(mutex.lock())).await;
        let limit = Semaphore::new(1);
        a_line_has_one_owner(|| Box::pin(limit.acquire())).await;
    }));
}

#[test]
fn of_several_permits_one_that_is_held_is_named() {
    evented::block_on(bounded(async {
        let limit = Semaphore::new(2);
        let (one, one_goes_on) = keeps(limit.acquire());
        let (two, _keep) = keeps(limit.acquire());
        let (waits, _keep_too) = keeps(limit.acquire());
        yield_now().await;
        assert_eq!(owner_of(&waits), Some(two.id()));
        drop(one_goes_on);
        one.await.unwrap();
        yield_now().await;
        let (last, _keep_last) = keeps(limit.acquire());
        yield_now().await;
        assert_eq!(owner_of(&last), Some(waits.id()));
        drop(waits.cancel().await);
        yield_now().await;
        let (behind, _keep_behind) = keeps(limit.acquire());
        yield_now().await;
        assert_eq!(owner_of(&behind), Some(last.id()));
        drop(behind.cancel().await);
        // Who got the last one has none any more, and of `two` nothing is known.
        drop(last.cancel().await);
        limit.acquire().await.forget();
        let (alone, _keep_alone) = keeps(limit.acquire());
        yield_now().await;
        assert_eq!(owner_of(&alone), None);
        drop(two);
    }));
}

/// The keeper of what a task waits for.
fn keeper_of<T>(task: &Task<T>) -> Option<TaskId> {
    let dump = handle().dump().unwrap();
    match dump.task(task.id()).unwrap().waits_for {
        WaitsFor::Chan { keeper, .. } => keeper,
        other => panic!("{other}"),
    }
}

/// In a program with one rank, where nobody inherits anything.
#[test]
fn channels_know_who_is_to_end_the_wait() {
    evented::block_on(bounded(async {
        let (sender, mut receiver) = mpsc::bounded::<u8>(1);
        let (full, mut inbox) = mpsc::bounded::<u8>(1);
        let consumer = spawn(async move {
            inbox.recv().await;
            while receiver.recv().await.is_some() {}
            inbox.recv().await
        });
        yield_now().await;
        assert_eq!(keeper_of(&consumer), None, "nobody has sent yet");
        let producer = spawn(async move {
            full.send(1).await.unwrap();
            sender.send(1).await.unwrap();
            yield_now().await;
            sender.send(2).await.unwrap();
            yield_now().await;
            full.send(2).await.unwrap();
            full.send(3).await.unwrap();
            drop(sender);
        });
        until(|| {
            let dump = handle().dump().unwrap();
            let waits = dump.task(producer.id()).unwrap();
            waits.state == TaskState::Waiting && matches!(waits.waits_for, WaitsFor::Chan { .. })
        })
        .await;
        assert_eq!(keeper_of(&producer), Some(consumer.id()));
        assert_eq!(keeper_of(&consumer), Some(producer.id()));
        assert!(
            handle().dump().unwrap().to_string().contains(&format!("on task {}", producer.id()))
        );
        drop((producer, consumer));
        // Those of which nobody knows who will end the wait unless somebody says so.
        let (notify, event) = (Notify::new(), Event::new());
        let (alone, result) = oneshot::channel::<u8>();
        let (value, mut changes) = watch::channel(1);
        let (told, happened) = (notify.clone(), event.clone());
        let claims = spawn(async move {
            told.claim();
            happened.claim();
            alone.claim();
            value.send(2).unwrap();
            pending::<()>().await;
            drop((alone, value));
        });
        yield_now().await;
        let waiters = [
            spawn(async move { notify.notified().await }),
            spawn(async move { event.wait().await }),
            spawn(async move { assert!(result.await.is_err()) }),
            spawn(async move { while changes.changed().await.is_ok() {} }),
        ];
        yield_now().await;
        for (n, waiter) in waiters.iter().enumerate() {
            assert_eq!(keeper_of(waiter), Some(claims.id()), "number {n}");
        }
        drop(claims);
    }));
}

/// That a task has woken itself is told with its poll, and from then on the table says that it is ready.
#[test]
fn a_task_that_yields_is_ready_by_itself() {
    let reactor = Reactor::new().unwrap();
    let (yielding, waiting) = reactor.block_on(async {
        let yielding = spawn(async {
            yield_now().await;
            pending::<()>().await;
        });
        let waiting = spawn(pending::<()>());
        yield_now().await;
        let dump = handle().dump().unwrap();
        let told = |id| {
            let task = dump.tasks.iter().find(|task| task.id == id).unwrap();
            (task.state, task.last_waker)
        };
        let (by_itself, nobody) = (Cause::Task(yielding.id()), Cause::Nobody);
        assert_eq!(told(yielding.id()), (TaskState::Ready, by_itself), "{dump}");
        assert_eq!(told(waiting.id()), (TaskState::Waiting, nobody), "{dump}");
        yield_now().await;
        let dump = handle().dump().unwrap();
        let task = dump.tasks.iter().find(|task| task.id == yielding.id()).unwrap();
        assert_eq!((task.state, task.polls), (TaskState::Waiting, 2), "{dump}");
        (yielding.id(), waiting.id())
    });
    let record = reactor.record();
    let polls = |id| {
        let polls = record.events().iter().filter(|event| event.task == Some(id));
        let results = polls.filter_map(|event| match event.what {
            What::Poll { result, .. } => Some(result),
            _ => None,
        });
        results.collect::<Vec<_>>()
    };
    assert_eq!(polls(yielding), [Polled::Yielded, Polled::Pending]);
    assert_eq!(polls(waiting), [Polled::Pending], "the one before it has yielded, not this one");
}
