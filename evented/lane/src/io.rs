//! The services of an event loop for job bodies.

use std::{io, net::SocketAddr, ops::Range, path::Path, time::Duration};

use common::{Io, Job, Output, blocking::read_file, body};
use evented::net::TcpStream;

/// What a task gives back.
pub(crate) type TaskResult = Result<Output, String>;

/// Runs a task on the loop that polls this.
pub(crate) async fn run_task(job: &Job, index: u64) -> TaskResult {
    body::run(&LoopIo, job, index).await.map_err(|error| error.to_string())
}

/// Runs a task on the thread that calls this.
pub(crate) fn run_task_blocking(job: &Job, index: u64) -> TaskResult {
    body::run_blocking(job, index).map_err(|error| error.to_string())
}

/// [`Io`] of the reactor that runs on this thread.
struct LoopIo;

impl Io for LoopIo {
    type Stream = TcpStream;

    async fn wait(&self, duration: Duration) {
        evented::sleep(duration).await;
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }

    async fn read_file(&self, path: &Path, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        let path = path.to_owned();
        let read = evented::blocking(move || read_file(&path, range)).await;
        read.unwrap_or_else(|error| Err(io::Error::other(error.to_string())))
    }

    async fn yield_now(&self) {
        evented::yield_now().await;
    }
}
