//! What may leave the thread, and what may not.

use std::cell::Cell;

use evented::net::{
    PipeReader, PipeWriter, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener,
    UnixStream, Watch,
};
use evented::process::Child;
use evented::protocol::{Server, Transport};
use evented::signal::Signal;
use evented::sync::{Event, Mutex, MutexGuard, Notify, Semaphore, mpsc, oneshot, watch};

fn send<T: Send>() {}
fn sync<T: Sync>() {}

/// Does not compile for a `Send` type: both impls would apply.
macro_rules! not_send {
    ($($type:ty),*) => {$(
        const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct IfSend;
            impl<T: ?Sized + Send> Ambiguous<IfSend> for T {}
            let _: fn() = <$type as Ambiguous<_>>::check;
        };
    )*};
}

not_send!(Watch<std::io::PipeReader>, evented::stdio::Stdin, evented::stdio::Stdout);
not_send!(Transport, Server, evented::Promise<std::rc::Rc<()>>);
not_send!(evented::Reactor, evented::Task<()>, evented::TaskGroup<()>, evented::Timer);
not_send!(mpsc::Sender<std::rc::Rc<()>>, oneshot::Receiver<std::rc::Rc<()>>);
not_send!(Mutex<std::rc::Rc<()>>, MutexGuard<std::rc::Rc<()>>, watch::Sender<Cell<u8>>);

#[test]
fn what_may_be_sent_and_shared() {
    send::<evented::Handle>();
    sync::<evented::Handle>();
    send::<evented::RemoteTask<Cell<u8>>>();
    send::<evented::JoinError>();
    sync::<evented::JoinError>();
    send::<evented::Sleep>();
    sync::<evented::Sleep>();
    send::<evented::Blocking<Cell<u8>>>();
    send::<TcpStream>();
    sync::<TcpStream>();
    send::<UdpSocket>();
    sync::<UdpSocket>();
    send::<UnixListener>();
    sync::<UnixListener>();
    send::<UnixStream>();
    sync::<UnixStream>();
    send::<UnixDatagram>();
    sync::<UnixDatagram>();
    send::<PipeReader>();
    sync::<PipeWriter>();
    send::<Child>();
    sync::<Child>();
    send::<Signal>();
    sync::<Signal>();
    send::<evented::Promise<Cell<u8>>>();
    send::<evented::Deferred<Cell<u8>>>();
    send::<evented::cores::Cores>();
    sync::<evented::cores::Cores>();
    send::<evented::cores::Stop>();
    send::<TcpListener>();
    sync::<TcpListener>();
    send::<mpsc::Sender<Cell<u8>>>();
    sync::<mpsc::Sender<Cell<u8>>>();
    send::<oneshot::Sender<Cell<u8>>>();
    sync::<oneshot::Receiver<Cell<u8>>>();
    send::<Semaphore>();
    sync::<Semaphore>();
    send::<evented::sync::Permit>();
    sync::<evented::sync::Permit>();
    send::<evented::sync::Acquire>();
    send::<Notify>();
    sync::<Notify>();
    send::<evented::sync::Notified>();
    send::<Mutex<Cell<u8>>>();
    sync::<Mutex<Cell<u8>>>();
    send::<MutexGuard<Cell<u8>>>();
    send::<evented::sync::Lock<Cell<u8>>>();
    send::<Event>();
    sync::<Event>();
    send::<evented::sync::EventWait>();
    send::<watch::Sender<u8>>();
    sync::<watch::Receiver<u8>>();
    send::<evented::Builder>();
    send::<evented::Spawn>();
}
