//! The threads of an engine: a core has two.

use std::io;
use std::sync::Arc;
use std::thread;

use super::Core;

/// The threads of an engine.
#[derive(Debug)]
pub(crate) struct Threads(
    /// Supervisor and receiver, see the module's documentation; or what another engine has.
    pub(crate) Vec<thread::JoinHandle<()>>,
);

impl Threads {
    /// True when the calling thread is one of them: it runs a waker that owns the pool.
    pub(crate) fn are_here(&self) -> bool {
        let here = thread::current().id();
        self.0.iter().any(|thread| thread.thread().id() == here)
    }

    /// Waits for all of them to end.
    pub(crate) fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                // Its panic was reported by the panic hook; there is nothing to add.
            }
        }
    }
}

impl Core {
    /// Starts one of the two threads.
    pub(super) fn start_thread(
        self: &Arc<Self>,
        role: &str,
        body: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let core = Arc::clone(self);
        let name = format!("{}-{role}", self.config.name);
        thread::Builder::new().name(name).spawn(move || body(&core))
    }
}
