//! The worker's second thread: it reads the control socket, and it ends the process when the
//! parent is gone.
//!
//! The main thread executes user code, for as long as that takes, so it can neither receive
//! descriptors nor notice the parent's death. `PR_SET_PDEATHSIG` would fire when the parent's
//! *thread* that started the worker ends, so it is not used.

use std::io;
use std::sync::Arc;
use std::thread;

use crate::control::{Control, Down};
use crate::scope::arrivals;

/// The exit code of a worker whose parent died; nobody is left to see it.
const EXIT_ORPHAN: i32 = 71;

/// Starts the watchdog.
///
/// # Errors
/// No thread can be started.
pub(super) fn start(socket: Arc<Control>) -> io::Result<()> {
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch(&socket)).map(drop)
}

/// Reads until the parent is gone.
fn watch(socket: &Control) {
    loop {
        match socket.receive::<Down>(true) {
            Ok(Some((Down::Segment(id), Some(fd)))) => {
                // If it cannot be mapped, the call that needs it waits in vain and fails.
                drop(arrivals().add_segment(id, fd));
            }
            Ok(Some((Down::Payload(id), Some(fd)))) => arrivals().add_payload(id, fd),
            Ok(Some((Down::Forget(id), _))) => arrivals().forget(id),
            // No descriptor was left for it: as above. The start's messages are sent once.
            Ok(Some((
                Down::Segment(_) | Down::Payload(_) | Down::Boot { .. } | Down::Doorbell(_),
                _,
            ))) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            Ok(None) | Err(_) => {
                // At once, also in the middle of a call: no destructors, no exit handlers.
                exit_now(EXIT_ORPHAN)
            }
        }
    }
}

/// Ends the process without running anything else in it.
fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}
