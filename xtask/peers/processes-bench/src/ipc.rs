//! A worker written with nothing but ipc-channel: a pair of channels for each.

use std::process::Child;

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::helper;

/// What contenders that use it are called.
pub(crate) const NAME: &str = "ipc-channel";

/// So many numbers may be on their way to a worker, and as many back: `send` waits when the socket
/// is full, at 278 of them, and two that wait for each other wait for ever.
pub(crate) const WINDOW: usize = 100;

/// A worker process with the channels to and from it.
#[derive(Debug)]
pub(crate) struct Worker<To, From>
where
    To: Serialize,
    From: Serialize + DeserializeOwned,
{
    /// To it; taken to end the worker.
    to: Option<IpcSender<To>>,
    /// From it.
    from: IpcReceiver<From>,
    /// The process.
    child: Child,
}

/// The worker's ends of the channels.
type Ends<To, From> = (IpcReceiver<To>, IpcSender<From>);

impl<To, From> Worker<To, From>
where
    To: Serialize + DeserializeOwned,
    From: Serialize + DeserializeOwned,
{
    /// Starts a helper, which gets its ends through a one-shot server.
    pub(crate) fn start(role: &str, arguments: &[&str]) -> Self {
        let (server, name) =
            IpcOneShotServer::<IpcSender<Ends<To, From>>>::new().expect("descriptors are left");
        let mut command = helper::command(role);
        let child = command.arg(name).args(arguments).spawn().expect("a process can be started");
        let (_, introduce) = server.accept().expect("the worker connects");
        let (to, theirs) = ipc::channel().expect("descriptors are left");
        let (answers, from) = ipc::channel().expect("descriptors are left");
        introduce.send((theirs, answers)).expect("the worker receives");
        Self { to: Some(to), from, child }
    }

    /// Sends something.
    pub(crate) fn send(&self, x: To) {
        self.to.as_ref().expect("only drop takes it").send(x).expect("the worker receives");
    }

    /// Receives something.
    pub(crate) fn receive(&self) -> From {
        self.from.recv().expect("the worker answers")
    }
}

impl<To, From> Drop for Worker<To, From>
where
    To: Serialize,
    From: Serialize + DeserializeOwned,
{
    fn drop(&mut self) {
        self.to = None;
        self.child.wait().expect("it is our child");
    }
}

/// The worker's ends, from the server with this name.
fn ends<To, From>(server: &str) -> Ends<To, From>
where
    To: Serialize + DeserializeOwned,
    From: Serialize + DeserializeOwned,
{
    let (introduce, introduced) = ipc::channel().expect("descriptors are left");
    let server = IpcSender::connect(server.into()).expect("the parent waits for it");
    server.send(introduce).expect("the parent receives");
    introduced.recv().expect("the parent sends the ends")
}

/// The worker that answers each number with itself.
pub(crate) fn echo(server: &str) {
    let (from, to) = ends::<u64, u64>(server);
    while let Ok(x) = from.recv() {
        to.send(x).expect("the parent receives");
    }
}

/// Bytes through a channel: as they are, not as a sequence of numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bytes(#[serde(with = "serde_bytes")] pub(crate) Vec<u8>);

/// The worker that answers bytes with how many there were.
pub(crate) fn measure(server: &str) {
    let (from, to) = ends::<Bytes, u64>(server);
    while let Ok(Bytes(bytes)) = from.recv() {
        to.send(bytes.len() as u64).expect("the parent receives");
    }
}

/// The worker that sends `0..units` once it was told to begin.
pub(crate) fn produce(server: &str, units: u64) {
    let (from, to) = ends::<u64, u64>(server);
    from.recv().expect("it is told to begin");
    for x in 0..units {
        to.send(x).expect("the parent receives");
    }
}
