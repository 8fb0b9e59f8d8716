//! One function in a process of its own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::DEFAULT_MAX_PAYLOAD;
use crate::call::{Call, Ways};
use crate::core::{Config, Core};
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::setup::Setup;
use crate::ticket::Ticket;
use crate::worker;

/// How long a process may take to end after its function returned.
const GRACE: Duration = Duration::from_secs(5);

/// The core of all spawned processes: two threads, started by the first `spawn` and kept.
static CORE: Mutex<Option<Arc<Core>>> = Mutex::new(None);

/// Calls `f(x)` in a new process that ends with the call.
///
/// As with [`Pool::submit`](crate::Pool::submit), but there is no queue, no replacement and
/// nothing shared with other calls. [`JoinHandle::pid`] is the process's id,
/// [`JoinHandle::kill`] kills it, dropping the handle lets it go on. It dies with this process.
/// As there, a closure that captures something does not compile:
///
/// ```compile_fail,E0308
/// let name = String::from("somebody");
/// let greeting = processes::spawn(|()| format!("hello, {name}"), ());
/// ```
///
/// [`ProcessBuilder`](crate::ProcessBuilder) starts one with a name, an environment, limits and a
/// handle of the process itself.
///
/// # Errors
/// As [`Builder::build`](crate::Builder::build). Errors of the call itself, like an argument
/// that cannot be encoded, are found in the handle.
pub fn spawn<A, R>(f: fn(A) -> R, x: A) -> io::Result<JoinHandle<R>>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    worker::may_start_workers()?;
    match encode(f, x) {
        Ok(call) => start_call(call, Setup::default()),
        Err(error) => Ok(JoinHandle::failed(error)),
    }
}

/// Calls `f(x)` in a new process that is started as `setup` says.
///
/// # Errors
/// As [`spawn`]; also an argument that cannot be encoded.
pub(crate) fn start<A, R>(f: fn(A) -> R, x: A, setup: Setup) -> io::Result<JoinHandle<R>>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    worker::may_start_workers()?;
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    start_call(encode(f, x).map_err(invalid)?, setup)
}

/// The call of `f` with `x`.
fn encode<A, R>(f: fn(A) -> R, x: A) -> Result<(Call, Arc<Ticket>), JoinError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize,
{
    let call = Call::new(f, &x, Ways::without_arena(DEFAULT_MAX_PAYLOAD), None);
    drop(x);
    call
}

/// Starts the process of a call.
pub(crate) fn start_call<R>(
    (call, ticket): (Call, Arc<Ticket>),
    setup: Setup,
) -> io::Result<JoinHandle<R>> {
    let core = shared_core()?;
    let engine = Arc::downgrade(&core);
    let handle = JoinHandle::new(ticket, engine);
    core.open_one_shot(call, setup)?;
    Ok(handle)
}

/// The core of all spawned processes.
fn shared_core() -> io::Result<Arc<Core>> {
    let mut slot = CORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(core) = &*slot {
        return Ok(Arc::clone(core));
    }
    let config = Config::new("spawn", DEFAULT_MAX_PAYLOAD, GRACE);
    // The threads end with the program; they are never joined.
    let (core, _threads) = Core::start(config)?;
    *slot = Some(Arc::clone(&core));
    Ok(core)
}
