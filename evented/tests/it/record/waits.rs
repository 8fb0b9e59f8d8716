//! What each future of the crate tells of itself.

use std::future::{Future, pending};
use std::process::Stdio;

use evented::process::Command;
use evented::record::{TaskState, WaitsFor};
use evented::signal::{Kind, Signal};
use evented::sync::{Event, Mutex, Notify, Semaphore, mpsc, oneshot, watch};
use evented::{Task, TaskGroup, handle, spawn, yield_now};

use crate::support::bounded;

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
            WaitsFor::Chan(number) if more == 0 => number,
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
