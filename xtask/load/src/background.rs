//! The server on a thread of this process, for tests.

use std::{
    fmt, io,
    net::SocketAddr,
    num::NonZeroU32,
    thread::{self, JoinHandle},
};

use common::site::Site;
use mio::Waker;

use crate::{
    report::{failed, report},
    server::Server,
};

/// Serves `site` on a thread of its own until the returned value is stopped or dropped. At most
/// `per_host` requests of one virtual host may be in flight at once.
///
/// # Errors
///
/// If the system has no descriptor or no thread for the server.
pub fn serve_in_background(site: Site, per_host: NonZeroU32) -> io::Result<Running> {
    let server = Server::bind(site, per_host)?;
    let addr = server.addr()?;
    let stopper = server.stopper().map_err(|error| failed("make a waker", &error))?;
    let thread = thread::Builder::new()
        .name("load".to_owned())
        .spawn(|| server.run())
        .map_err(|error| failed("start the thread `load`", &error))?;
    Ok(Running { addr, stopper, thread: Some(thread) })
}

/// A server in the background. Dropping it stops it, and reports an error on standard error.
#[must_use = "the server stops when this is dropped"]
pub struct Running {
    /// Where it listens.
    addr: SocketAddr,
    /// Ends it.
    stopper: Waker,
    /// What it runs on; none once it was joined.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops it and waits for its end. Idle connections are closed at once; answers under way have
    /// one second.
    ///
    /// # Errors
    ///
    /// If the server failed, now or earlier.
    pub fn stop(mut self) -> io::Result<()> {
        self.join()
    }

    /// Stops the server, if that was not done yet.
    fn join(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.stopper.wake().map_err(|error| failed("wake the server", &error))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("serve: the thread `load` panicked")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            report(&error.to_string());
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}
