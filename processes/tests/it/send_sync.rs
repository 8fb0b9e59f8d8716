//! Which types may cross threads.

use std::sync::atomic::AtomicU8;

use processes::{
    ActorBuilder, ActorError, ActorRef, AsCompleted, Barrier, BarrierError, BoundedSemaphore,
    Builder, Condition, Event, Frozen, GetError, JoinError, JoinHandle, Lock, OverReleaseError,
    Permit, Pool, Process, ProcessBuilder, PutError, Queue, Receiver, RecvError, Select, Semaphore,
    SendError, Sender, SharedArray, SharedAtomics,
};

fn send<T: Send>() {}
fn sync<T: Sync>() {}

#[test]
fn as_promised() {
    send::<Pool>();
    sync::<Pool>();
    send::<Builder>();
    send::<JoinHandle<u8>>();
    sync::<JoinHandle<u8>>();
    send::<AsCompleted<u8>>();
    send::<Queue<u8>>();
    sync::<Queue<u8>>();
    send::<Lock<u8>>();
    sync::<Lock<u8>>();
    send::<(Event, Condition, Semaphore, BoundedSemaphore, Barrier, Permit)>();
    sync::<(Event, Condition, Semaphore, BoundedSemaphore, Barrier, Permit)>();
    send::<(SharedArray<u8>, Frozen<u8>, SharedAtomics<AtomicU8>)>();
    sync::<(SharedArray<u8>, Frozen<u8>, SharedAtomics<AtomicU8>)>();
    send::<(Process<u8>, ProcessBuilder)>();
    sync::<Process<u8>>();
    send::<(BarrierError, OverReleaseError)>();
    send::<(Sender<u8>, Receiver<u8>, Select<'static>, SendError<u8>, RecvError)>();
    sync::<(Sender<u8>, Receiver<u8>, Select<'static>)>();
    send::<(ActorRef<*const u8>, ActorBuilder, ActorError)>();
    sync::<(ActorRef<*const u8>, ActorBuilder, ActorError)>();
    send::<JoinError>();
    sync::<JoinError>();
    send::<GetError>();
    send::<PutError<u8>>();
}

#[test]
fn debug_is_never_empty_and_does_not_block() {
    let pool = Pool::new(1).unwrap();
    let lock = Lock::new(1_u8).unwrap();
    let guard = lock.lock().unwrap();
    let handle = pool.submit(|x: u8| x, 1);
    let texts =
        [format!("{pool:?}"), format!("{lock:?}"), format!("{guard:?}"), format!("{handle:?}")];
    assert!(texts.iter().all(|text| !text.is_empty()), "{texts:?}");
    drop(guard);
    handle.join().unwrap();
}
