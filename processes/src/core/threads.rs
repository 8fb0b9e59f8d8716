//! The two threads of a core.

use std::io;
use std::sync::Arc;
use std::thread;

use super::Core;

/// The two threads of a core.
#[derive(Debug)]
pub(crate) struct Threads {
    /// See the module's documentation.
    pub(super) supervisor: thread::JoinHandle<()>,
    /// See the module's documentation.
    pub(super) receiver: thread::JoinHandle<()>,
}

impl Threads {
    /// True when the calling thread is one of them: it runs a waker that owns the pool.
    pub(crate) fn are_here(&self) -> bool {
        let here = thread::current().id();
        [&self.supervisor, &self.receiver].iter().any(|thread| thread.thread().id() == here)
    }

    /// Waits for both to end.
    pub(crate) fn join(self) {
        for thread in [self.supervisor, self.receiver] {
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
