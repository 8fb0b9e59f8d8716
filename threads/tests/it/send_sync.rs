//! Which types may cross threads. What must not is in `compile_fail` doctests.

use std::cell::Cell;
use std::panic::UnwindSafe;
use threads::{
    AsCompleted, Builder, GetError, Guard, JoinError, JoinHandle, Lock, Map, MapUnordered, Payload,
    Pool, PutError, Queue, Stats, Unrun,
};
use threads::{
    Barrier, BoundedSemaphore, Condition, Event, Latch, LifoQueue, Permit, PriorityQueue,
};
use threads::{ReentrantLock, Semaphore, Thread, ThreadBuilder, ThreadInfo, Timer};

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unwind_safe<T: UnwindSafe>() {}

#[test]
fn promised() {
    send::<Pool>();
    sync::<Pool>();
    send::<Builder>();
    sync::<Builder>();
    send::<(Stats, Unrun, GetError, PutError<Cell<u8>>)>();
    sync::<(Stats, Unrun, GetError, PutError<u8>)>();
    // A result that is only `Send` is enough.
    send::<JoinHandle<Cell<u8>>>();
    sync::<JoinHandle<Cell<u8>>>();
    unwind_safe::<JoinHandle<Cell<u8>>>();
    send::<AsCompleted<Cell<u8>>>();
    sync::<AsCompleted<Cell<u8>>>();
    send::<JoinError>();
    sync::<JoinError>();
    sync::<Payload>();
    send::<Queue<Cell<u8>>>();
    sync::<Queue<Cell<u8>>>();
    send::<Lock<Cell<u8>>>();
    sync::<Lock<Cell<u8>>>();
    sync::<Guard<'static, u8>>();
    send::<(LifoQueue<Cell<u8>>, PriorityQueue<u8>, Condition, Semaphore, BoundedSemaphore)>();
    sync::<(LifoQueue<Cell<u8>>, PriorityQueue<u8>, Condition, Semaphore, BoundedSemaphore)>();
    send::<(Permit, Event, Latch, Barrier, Timer, ReentrantLock<Cell<u8>>)>();
    sync::<(Permit, Event, Latch, Barrier, Timer, ReentrantLock<Cell<u8>>)>();
    send::<(ThreadBuilder, Thread<Cell<u8>>, ThreadInfo)>();
    sync::<(Thread<Cell<u8>>, ThreadInfo)>();
    unwind_safe::<(Lock<Cell<u8>>, &Lock<Cell<u8>>, Guard<'static, u8>, Permit, Condition)>();
    unwind_safe::<(ReentrantLock<u8>, &ReentrantLock<u8>)>();
    unwind_safe::<(&Queue<u8>, &LifoQueue<u8>, &Semaphore, &Event, &Latch, &Barrier, &Timer)>();
    send::<Map<'static, fn(u8) -> u8, std::ops::Range<u8>, u8>>();
    send::<MapUnordered<'static, fn(u8) -> u8, std::ops::Range<u8>, u8>>();
}
